"""`make bench`: lines per second and CPU seconds per million lines, per stage and whole, on real parts."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from jobs.stack.stack import Stack
from tests.bench.stages import measure_stages
from tests.bench.whole import Result, measure_whole


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000, help="lines per whole run (default 2,000,000)")
    parser.add_argument("--lines-per-message", default="1,100", help="whole runs, separated by commas; '' = none (default 1,100)")
    parser.add_argument("--warm-up-lines", type=int, default=1_000_000, help="run before, not counted: Java compiles its hot code")
    parser.add_argument("--job", default="pipeline", choices=("pipeline", "ingest"))
    parser.add_argument("--parallelism", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--stage-lines", type=int, default=300_000, help="lines through each stage alone; 0 = none (default 300,000)")
    arguments = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; machines differ: compare CPU seconds and ratios"
    )
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
