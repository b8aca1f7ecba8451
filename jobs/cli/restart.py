"""`anomasec restart`: stop with a savepoint, start again with the SQL as it is now."""

from __future__ import annotations

import argparse
import sys

NAME = "restart"
HELP = "stop with a savepoint, start again with your edited SQL"

__all__ = ["HELP", "NAME", "configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = """examples:
  $EDITOR sql/flink/score.sql && anomasec check && anomasec restart score
  anomasec restart score --savepoint file:///.../savepoint-1a2b
  anomasec restart pipeline --set parallelism.default=4
A job that does not run (the cluster ended, say) goes on from its last checkpoint or savepoint, whichever is newer."""
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="ingest, score or pipeline")
    parser.add_argument("--savepoint", metavar="PATH", help="start from this savepoint instead")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a Flink setting, e.g. parallelism.default=4")


def run(args: argparse.Namespace) -> int:
    """Restart each job; print its new id."""
    from jobs.config import load_config
    from jobs.entry import parse_settings
    from jobs.submit import restart

    config = load_config(args.config, home=args.home)
    for job in args.jobs:
        job_id, savepoint = restart(config, job, from_savepoint=args.savepoint, settings=parse_settings(args.set))
        print(f"{job} from {savepoint}", file=sys.stderr)
        print(job_id)
    return 0
