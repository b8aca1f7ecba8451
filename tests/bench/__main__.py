"""`make bench`: lines per second and CPU seconds per million lines, per stage and whole, on real parts."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from jobs.stack.stack import Stack
from tests.bench.rivals.measure import RivalSettings, Standing, measure_rivals
from tests.bench.stages import measure_stages
from tests.bench.whole import Result, measure_whole

_COUNTS = {
    "expected": "expected", "written": "written", "exact": "exact", "split": "split", "lost": "lost_events", "doubled": "doubled_events",
}  # fmt: skip


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000, help="lines per whole run (default 2,000,000)")
    parser.add_argument("--lines-per-message", default="1,100", help="whole runs, separated by commas; '' = none (default 1,100)")
    parser.add_argument("--warm-up-lines", type=int, default=1_000_000, help="run before, not counted: Java compiles its hot code")
    parser.add_argument("--job", default="pipeline", choices=("pipeline", "ingest"))
    parser.add_argument("--parallelism", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--stage-lines", type=int, default=300_000, help="lines through each stage alone; 0 = none (default 300,000)")
    parser.add_argument("--rivals", action="store_true", help="instead: next to what else a user would run, on one topic of spans")
    parser.add_argument("--rate", type=float, default=20_000, help="rivals: lines per second at which the topic is filled (default 20,000)")
    parser.add_argument("--row-wise-lines", type=int, default=20_000, help="rivals: lines for row-wise PyFlink; 0 = none (default 20,000)")
    arguments = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; machines differ: compare CPU seconds and ratios"
    )
    if arguments.rivals:
        _rivals(arguments)
        return
    if arguments.stage_lines:
        stages = measure_stages(arguments.stage_lines)
        print(f"\neach stage alone, one process, {arguments.stage_lines:,} lines: CPU seconds per million lines")
        for stage, seconds in stages.items():
            print(f"  {stage:<28}{seconds:>8.2f}")
        print(f"  {'sum':<28}{sum(stages.values()):>8.2f}")
    for number in filter(None, arguments.lines_per_message.split(",")):
        with tempfile.TemporaryDirectory(prefix="anomasec-bench-") as home:
            stack = Stack(Path(home), ports="auto")
            try:
                stack.up()
                if arguments.warm_up_lines:
                    measure_whole(stack, arguments.warm_up_lines, int(number), arguments.job, arguments.parallelism)
                _show(measure_whole(stack, arguments.lines, int(number), arguments.job, arguments.parallelism))
            finally:
                stack.down()


def _rivals(arguments: argparse.Namespace) -> None:
    settings = RivalSettings(arguments.lines, arguments.rate, arguments.row_wise_lines)
    print(f"\nspans of {arguments.lines:,} lines sent at {arguments.rate:,.0f}/s, one per message; each reads the same topic")
    columns = (("", -42), ("lines", 11), ("lines/s", 9), ("CPU-s/M", 9), *((name, 9) for name in _COUNTS))
    print("  " + "".join(f"{name:<{-width}}" if width < 0 else f"{name:>{width}}" for name, width in columns))
    with tempfile.TemporaryDirectory(prefix="anomasec-bench-") as home:
        stack = Stack(Path(home), ports="auto")
        try:
            stack.up()
            for standing in measure_rivals(stack, settings, arguments.job, arguments.parallelism):
                _show_standing(standing)
        finally:
            stack.down()
    print("  exact: came out once with each event once; split: in two or more; lost, doubled: events; CPU without the broker's")


def _show_standing(standing: Standing) -> None:
    def figure(value: float | None) -> str:
        return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"

    counts = "".join(f"{getattr(standing.judgement, field):>9,}" for field in _COUNTS.values())
    print(
        f"  {standing.name:<42}{standing.lines:>11,}{figure(standing.lines_per_s):>9}{figure(standing.cpu_s_per_million):>9}{counts}"
        f"   {standing.note}",
        flush=True,
    )


def _show(result: Result) -> None:
    per_message = "one line per message" if result.lines_per_message == 1 else f"{result.lines_per_message} lines per message"
    print(f"\nwhole spine, {result.lines:,} lines, {per_message}: {result.lines_per_s:,.0f} lines/s")
    print("  CPU seconds per million lines:")
    for part, seconds in sorted(result.cpu_s_per_million.items(), key=lambda item: -item[1]):
        print(f"    {part:<26}{seconds:>8.2f}")
    print(f"    {'all told':<26}{sum(result.cpu_s_per_million.values()):>8.2f}")
    print("  peak memory, MB: " + ", ".join(f"{part} {mb:,.0f}" for part, mb in result.memory_mb.items()))
    for what, (expected, stored) in result.exact.items():
        print(f"  {what:<14}{stored:>12,} of {expected:,}" + ("" if stored == expected else "   WRONG"))


if __name__ == "__main__":
    main()
