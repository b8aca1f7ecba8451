"""`anomasec stop`: stop jobs with a savepoint."""

from __future__ import annotations

import argparse

NAME = "stop"
HELP = "stop jobs with a savepoint"

__all__ = ["HELP", "NAME", "configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = """examples:
  anomasec stop                  all our jobs
  anomasec stop score            one job; prints where its savepoint is
`anomasec restart score` goes on from there."""
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="ingest, score or pipeline (default: all that run)")


def run(args: argparse.Namespace) -> int:
    """Stop each job and print its savepoint."""
    from jobs.config import load_config
    from jobs.submit import live_jobs, stop

    config = load_config(args.config, home=args.home)
    for job in args.jobs or live_jobs(config):
        print(f"{job} {stop(config, job).path}")
    return 0
