"""What the planner makes of the scoring SQL, in a few lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from udfs.registry import FUNCTIONS

__all__ = ["PlanSummary", "summarise_plan"]


@dataclass(frozen=True)
class PlanSummary:
    """The parts of a plan that matter to someone who edits the SQL."""

    sources: tuple[str, ...]
    """Tables that are read."""
    stages: tuple[tuple[str, ...], ...]
    """Functions of ours, by the pass through the Python workers in which they run, in order of the data."""
    stateful: tuple[str, ...]
    """Operators that keep rows in memory: none in the SQL as shipped."""

    @property
    def repeated(self) -> tuple[str, ...]:
        """Functions that are evaluated more than once: each costs double, and its results may disagree."""
        calls = [name for stage in self.stages for name in stage]
        return tuple(sorted({name for name in calls if calls.count(name) > 1}))

    def lines(self) -> list[str]:
        """The summary as people read it."""
        once = "every function is evaluated once" if not self.repeated else f"evaluated more than once: {', '.join(self.repeated)}"
        return [
            f"reads     {', '.join(self.sources)}",
            *(f"pass {n}    {', '.join(stage)}" for n, stage in enumerate(self.stages, 1)),
            f"calls     {once}",
            f"state     {', '.join(self.stateful) or 'none: each row is judged by itself'}",
        ]


def summarise_plan(explained: str) -> PlanSummary:
    """Read the text of `Table.explain()`.

    Cost: microseconds. Knows the operator names of Flink 2.2.
    """
    plan = explained.split("== Optimized Execution Plan ==")[-1]
    operators = [line.lstrip("+-: ") for line in plan.splitlines() if line.strip()]
    calls = re.compile(r"\b(" + "|".join(map(re.escape, FUNCTIONS)) + r")\(")
    stages = [tuple(calls.findall(op)) for op in operators if op.startswith("PythonCalc")]
    sources = [match[1] for op in operators if (match := re.match(r"TableSourceScan\(table=\[\[\w+, \w+, (\w+)", op))]
    plain = ("Calc", "PythonCalc", "TableSourceScan", "WatermarkAssigner", "Union", "Reused", "Correlate", "Values", "DropUpdateBefore")
    kinds = [re.split(r"[(\s]", op)[0] for op in operators]
    return PlanSummary(tuple(sources), tuple(reversed(stages)), tuple(k for k in kinds if k and k not in plain))
