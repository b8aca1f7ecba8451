"""`python -m tests.fuzz --lines 1000000 --seed 1` (`make fuzz`): exit code 1 when a line crashed, hung, got lost or gave the impossible."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from pathlib import Path

from jobs.stages import user_formats
from tests.fuzz.run import Found, fuzz
from udfs.normalise import NormaliseSettings

_HANGS_S = 300
_MOST_MIB = 4_096


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Reads mutated lines of all formats.")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    settings = NormaliseSettings(formats=user_formats(Path(__file__).parents[2] / "sql"))
    started = time.perf_counter()

    def on_batch(found: Found) -> None:
        faulthandler.cancel_dump_traceback_later()
        faulthandler.dump_traceback_later(_HANGS_S, exit=True)  # a batch that hangs is told where
        if sys.stderr.isatty():
            print(f"\r{found.lines:,} lines, {len(found.mistakes)} mistakes", end="", file=sys.stderr)

    faulthandler.dump_traceback_later(_HANGS_S, exit=True)
    found = fuzz(args.lines, args.seed, settings, on_batch)
    faulthandler.cancel_dump_traceback_later()
    if found.peak_mib > _MOST_MIB:
        found.mistakes.append(f"memory: {found.peak_mib:,.0f} MiB, more than {_MOST_MIB:,}")
    print(
        f"{found.lines:,} mutated lines (seed {args.seed}) in {time.perf_counter() - started:.0f} s: {found.events:,} events,"
        f" {found.metric_points:,} metric points, {sum(found.reasons.values()):,} dead letters;"
        f" slowest batch {found.slowest_s:.1f} s, peak {found.peak_mib:,.0f} MiB"
    )
    for reason, count in found.reasons.most_common():
        print(f"  {reason:<24}{count:>10,}")
    for mistake in found.mistakes:
        print(mistake)
    print(f"{len(found.mistakes)} mistakes")
    return 1 if found.mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
