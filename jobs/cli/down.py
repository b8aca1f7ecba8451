"""`anomasec down`: stop what `up` started."""

from __future__ import annotations

import argparse
import sys

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "down"
HELP = "Stop what `anomasec up` started, and nothing else. Data, logs and checkpoints are kept."
EPILOG = """\
examples:
  anomasec stop && anomasec down       take savepoints of running jobs first, to go on later without a gap
  anomasec down && rm -r .anomasec     forget everything
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Stop the processes of the stack in the home folder."""
    from jobs.config import load_config
    from jobs.stack.cluster import cluster_overview
    from jobs.stack.stack import Stack

    config = load_config(args.config, home=args.home)
    stack = Stack(config.home, config=config)
    running = 0
    if stack.pid("jobmanager") is not None:
        running = int((cluster_overview(stack.config().flink.rest_url) or {}).get("jobs-running", 0))
    stopped = 0

    def report(line: str) -> None:
        nonlocal stopped
        stopped += 1
        print(line, file=sys.stderr, flush=True)

    stack.down(report)
    if not stopped:
        print("nothing was running", file=sys.stderr)
    if running:
        print(
            f"{running} running job(s) ended with it; after `anomasec up`, `anomasec restart JOB` goes on from the last checkpoint",
            file=sys.stderr,
        )
    return 0
