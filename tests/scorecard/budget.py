"""`python -m tests.scorecard.budget`: pages claimed against pages made, and which planted faults page, how soon.

Part 1: simulated days of an estate with seasons, noise, deploys, flash crowds and a few real faults a week, once per budget. Part 2: from
where part 1 ended, every kind of fault at several sizes, each on a route of its own and judged by a copy of the state, at 5 s and 1 min.
Not in the suite but for a short version: tests/budget/test_simulated.py.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.correlate import CorrelateState, on_batch
from jobs.knobs import Knobs
from schemas.point import SCORE
from tests.scorecard.estate import METRICS, Baseline, Estate, Fault, Scored, score

__all__ = ["Achieved", "Run", "Trial", "plant", "simulate", "trials"]

_START_MS = 1_767_571_200_000  # a Monday
_SAID_AFTER_S = 3.0
"""From a window's end to its score: measure's wait and a tick."""
_KINDS: Mapping[str, tuple[float, Sequence[float]]] = {
    "latency spike": (60, (1.5, 2, 3, 5)),
    "latency step": (1800, (1.5, 2, 3, 5)),
    "latency drift": (4 * 3600, (2, 3, 5)),
    "latency oscillation": (3600, (2, 3, 5)),
    "latency variance": (3600, (2, 3, 5)),
    "tail only": (1800, (2, 3, 5)),
    "two modes": (1800, (2, 3, 5)),
    "errors": (900, (0.03, 0.1, 0.5)),
    "traffic surge": (1800, (2, 3, 5)),
    "traffic drop": (1800, (0.5, 0.2, 0.0)),
}
_HARD = (("latency step", 4.0), ("errors", 0.4), ("traffic drop", 0.02), ("tail only", 4.0))


@dataclass
class Run:
    """One budget: its state and what it paged."""

    knobs: Knobs
    state: CorrelateState = field(init=False)
    paged: list[tuple[float, str]] = field(default_factory=list)
    """(seconds since the start, entity)."""
    incidents: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.state = CorrelateState(self.knobs)

    def tick(self, rows: pa.Table, end_s: float, judged: int) -> None:
        """Scores of one window that ends then."""
        now_ms = _START_MS + int((end_s + _SAID_AFTER_S) * 1000)
        self.state.budget.watch(_START_MS + int(end_s * 1000), judged)
        due = self.state.next_deadline_ms()
        if not rows.num_rows and (due is None or due > now_ms):
            return
        self.state, out = on_batch(self.state, rows, now_ms)
        for row in out.incidents.to_pylist():
            self.incidents.add(row["incident_id"])
            if row["is_page"] and row["incident_id"] not in self._told:
                self._told.add(row["incident_id"])
                self.paged.append((end_s + _SAID_AFTER_S, row["strongest_entity"]))
        self.state.changes()


@dataclass(frozen=True)
class Achieved:
    """One budget of part 1."""

    budget: float
    pages: int
    weeks: float
    by_week: tuple[int, ...]
    incidents: int
    hard_found: int
    hard: int
    threshold: float

    @property
    def per_week(self) -> float:
        """Pages per week."""
        return self.pages / self.weeks


@dataclass(frozen=True)
class Trial:
    """One planted fault of part 2."""

    kind: str
    size: float
    pages: int
    delay_s: float | None
    seen_s: float | None
    """To the first anomaly."""


def entity(estate: Estate, route: int) -> str:
    """Name of a route's entity."""
    return f"service-{estate.service_of[route]} GET /route-{route}"


def score_rows(estate: Estate, scored: Scored, at_s: float, width_s: int) -> pa.Table:
    """SCORE rows of the flagged points."""
    n = len(scored.route)
    if not n:
        return SCORE.empty()
    time = datetime.fromtimestamp(_START_MS / 1000 + at_s, UTC)
    columns: dict[str, Any] = {
        "time": pa.array([time] * n, pa.timestamp("us", tz="UTC")),
        "environment": ["prod"] * n,
        "entity_kind": ["route"] * n,
        "entity": [entity(estate, route) for route in scored.route],
        "metric": [METRICS[metric] for metric in scored.metric],
        "width_s": np.full(n, width_s, np.int32),
        "is_anomaly": [True] * n,
        "reason": [""] * n,
        "revision": [1] * n,
        "emitted_at": pa.array([datetime.fromtimestamp(_START_MS / 1000 + at_s + width_s + 3, UTC)] * n, pa.timestamp("ms", tz="UTC")),
        **scored.columns,
    }
    return SCORE.conform(pa.table(columns))


def quiet_rows(estate: Estate, route: int, level: float, at_s: float, width_s: int) -> pa.Table:
    """The request rates of a route without requests and of a sibling that goes on, as measure tells them; neither is flagged."""
    at = (np.array([0, 0]), np.array([route, (route + 1) % estate.routes]))
    columns = {name: np.full(2, level) for name in ("expected", "lower", "upper")} | {
        "value": np.array([0.0, level]),
        "score": np.full(2, 50.0),
    }
    rows = score_rows(estate, Scored(*at, columns | {"weight": np.array([0.0, 99.0])}, 0), at_s, width_s)
    flag = rows.schema.get_field_index("is_anomaly")
    return rows.set_column(flag, rows.schema.field(flag), pa.array([False, False]))


def simulate(
    days: float, routes: int, budgets: Sequence[float], seed: int = 1, hard_per_week: float = 2.0, out: Any = None
) -> tuple[Estate, Baseline, list[Run], list[Achieved]]:
    """Part 1."""
    estate = Estate(routes, days + 2, seed)
    rng = np.random.default_rng(seed + 1000)
    starts = rng.uniform(0.3, days, rng.poisson(hard_per_week * days / 7)) * 86_400
    hard = [
        Fault(*_HARD[i % 4], int(np.argsort(-estate.rate)[rng.integers(routes // 2)]), float(s), 1200.0)
        for i, s in enumerate(sorted(starts))
    ]
    baseline = Baseline((4, routes), 60.0)
    runs = [Run(Knobs(budget_pages_per_week=budget)) for budget in budgets]
    for step in range(int(days * 1440)):
        at_s = step * 60.0
        values, n = estate.values(at_s, 60.0, [f for f in hard if f.start_s <= at_s < f.start_s + f.length_s])
        scored = score(values, n, baseline)
        rows = score_rows(estate, scored, at_s, 60)
        for run in runs:
            run.tick(rows, at_s + 60, scored.judged)
        if out and step % 1440 == 1439:
            told = ", ".join(f"{len(run.paged)} pages (threshold {run.state.budget.accounts[''].threshold:.1f})" for run in runs)
            out.write(f"day {step // 1440 + 1}: {told}\n")
            out.flush()
    achieved = []
    for run, budget in zip(runs, budgets, strict=True):
        found = sum(
            any(f.start_s <= at <= f.start_s + f.length_s + 300 and name == entity(estate, f.route) for at, name in run.paged) for f in hard
        )
        weeks = np.bincount([int(at // 604_800) for at, _ in run.paged], minlength=int(-(-days // 7)))
        threshold = run.state.budget.accounts[""].threshold
        achieved.append(Achieved(budget, len(run.paged), days / 7, tuple(map(int, weeks)), len(run.incidents), found, len(hard), threshold))
    return estate, baseline, runs, achieved


def plant(estate: Estate, each: int, start_s: float) -> list[Fault]:
    """Every kind at every size on `each` routes of their own, those with most traffic."""
    routes = iter(np.argsort(-estate.rate))
    wanted = [(kind, size, length) for _ in range(each) for kind, (length, sizes) in _KINDS.items() for size in sizes]
    return [Fault(kind, size, int(next(routes)), start_s, length) for kind, size, length in wanted]


def trials(estate: Estate, baseline: Baseline, run: Run, days: float, each: int, hours: float = 4.5) -> list[Trial]:
    """Part 2: each fault judged alone, by a copy of the state that part 1 left."""
    first = days * 86_400 + 10 * 3600  # ten in the morning
    faults = plant(estate, each, first)
    owner = {fault.route: i for i, fault in enumerate(faults)}
    segments = _kept(run.state)
    states = [Run(run.knobs) for _ in faults]
    for copy in states:
        copy.state = CorrelateState.load(segments, run.knobs)
        copy.state.incidents.clear()
    seen: dict[int, float] = {}
    fine = Baseline((4, estate.routes), 5.0)
    at, fine_until = first - 900.0, first + 900.0
    at_minute = at
    # the estate goes on without pages for the hours between
    for step in range(int((at - days * 86_400) // 60)):
        values, n = estate.values(days * 86_400 + step * 60.0, 60.0, [])
        score(values, n, baseline)
    while at < first + hours * 3600:
        width = 5.0 if at < fine_until else 60.0
        scored = [(at, 5, score(*estate.values(at, 5.0, faults), fine))] if width == 5.0 else []
        if at >= at_minute:
            scored.append((at, 60, score(*estate.values(at, 60.0, faults), baseline)))
            at_minute += 60.0
        for start, width_s, found in scored:
            if start + width_s <= first and width_s == 60:
                continue
            still = {
                i for i, fault in enumerate(faults) if fault.size == 0 and start >= fault.start_s and start - fault.start_s < fault.length_s
            }
            for i in sorted({owner[r] for r in found.route if r in owner} | still):
                mine = found.route == faults[i].route
                part = Scored(found.metric[mine], found.route[mine], {k: v[mine] for k, v in found.columns.items()}, 0)
                rows = score_rows(estate, part, start, width_s)
                if i in still:
                    level = (fine if width_s == 5 else baseline).level[0, faults[i].route]
                    rows = pa.concat_tables([rows, quiet_rows(estate, faults[i].route, float(level), start, width_s)])
                known = len(states[i].state.anomalies)
                states[i].tick(rows, start + width_s, 0)
                if start >= first and len(states[i].state.anomalies) > known:
                    seen.setdefault(i, start + width_s + _SAID_AFTER_S - first)
        at += width
    out = []
    for i, (fault, copy) in enumerate(zip(faults, states, strict=True)):
        after = [when - first for when, _ in copy.paged if when > first]
        out.append(Trial(fault.kind, fault.size, len(after), min(after, default=None), seen.get(i)))
    return out


def _kept(state: CorrelateState) -> dict[str, bytes]:
    blob = state.budget.to_bytes()
    if blob is None:
        state.budget.watch(state.budget.clock_ms, 0)
        blob = state.budget.to_bytes()
    return {"budget": blob or b""}


def _print_achieved(achieved: Sequence[Achieved]) -> None:
    print("budget/week  pages  per week  factor  by week              incidents  real faults paged  threshold")
    for a in achieved:
        factor = max(a.per_week / a.budget, a.budget / max(a.per_week, 1e-9))
        weeks = " ".join(f"{n:3d}" for n in a.by_week)
        print(
            f"{a.budget:11g}  {a.pages:5d}  {a.per_week:8.2f}  {factor:6.2f}  {weeks:20s} {a.incidents:9d}"
            f"  {a.hard_found:8d} of {a.hard:<6d} {a.threshold:10.1f}"
        )


def _print_trials(found: Sequence[Trial]) -> None:
    groups: dict[tuple[str, float], list[Trial]] = defaultdict(list)
    for trial in found:
        groups[trial.kind, trial.size].append(trial)
    print("kind                  size   n  paged  pages  delay median  delay p95  seen as anomaly  median after   p95 after")
    for (kind, size), each in groups.items():
        delays = [t.delay_s for t in each if t.delay_s is not None]
        seen = [t.seen_s for t in each if t.seen_s is not None]
        late = f"{np.median(delays):10.0f} s {np.quantile(delays, 0.95):9.0f} s" if delays else f"{'-':>12s} {'-':>11s}"
        first = f"{np.median(seen):10.0f} s {np.quantile(seen, 0.95):9.0f} s" if seen else f"{'-':>12s} {'-':>11s}"
        paged, pages, known = len(delays) / len(each), sum(t.pages for t in each), len(seen) / len(each)
        print(f"{kind:20s} {size:5g} {len(each):3d}  {paged:4.0%}  {pages:5d}  {late}  {known:14.0%}  {first}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--routes", type=int, default=500)
    parser.add_argument("--budgets", type=float, nargs="+", default=[1, 5, 20])
    parser.add_argument("--each", type=int, default=10, help="routes per kind and size of fault")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    estate, baseline, runs, achieved = simulate(args.days, args.routes, args.budgets, args.seed, out=sys.stderr)
    print(f"{args.days:g} days of {args.routes} routes, seed {args.seed}\n")
    _print_achieved(achieved)
    middle = min(range(len(runs)), key=lambda i: abs(args.budgets[i] - 5))
    print(f"\nplanted faults at {args.budgets[middle]:g} pages a week, each judged alone:\n")
    _print_trials(trials(estate, baseline, runs[middle], args.days, args.each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
