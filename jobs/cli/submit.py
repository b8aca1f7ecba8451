"""`anomasec submit`: start jobs on the cluster."""

from __future__ import annotations

import argparse
import sys

NAME = "submit"
HELP = "start the jobs on the cluster"

__all__ = ["HELP", "NAME", "configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = """examples:
  anomasec submit                     all stages in one job (pipeline): a laptop
  anomasec submit ingest score        two jobs joined by the points topic: `score` can then be tuned alone
  anomasec submit pipeline --from-beginning
  anomasec submit score --savepoint file:///.../savepoint-1a2b"""
    parser.add_argument("jobs", nargs="*", default=["pipeline"], metavar="JOB", help="ingest, score or pipeline (default: pipeline)")
    parser.add_argument(
        "--from-beginning", action="store_true", help="read the topics from their first record, not from where the last job was"
    )
    parser.add_argument("--savepoint", metavar="PATH", help="start from this savepoint")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a Flink setting, e.g. parallelism.default=4")


def run(args: argparse.Namespace) -> int:
    """Submit each job, wait until it runs, print its id."""
    from jobs.config import load_config
    from jobs.entry import parse_settings
    from jobs.submit import submit

    config = load_config(args.config, home=args.home)
    settings = parse_settings(args.set)
    for job in args.jobs:
        print(f"submitting {job} ...", file=sys.stderr)
        print(submit(config, job, from_savepoint=args.savepoint, from_beginning=args.from_beginning, settings=settings))
    return 0
