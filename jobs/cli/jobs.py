"""`anomasec jobs`: the jobs on the cluster and the savepoints that are known."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

NAME = "jobs"
HELP = "list the jobs on the cluster"

__all__ = ["HELP", "NAME", "configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = """examples:
  anomasec jobs                  what runs, and what failed with its cause
  anomasec jobs --savepoints     savepoints taken by `anomasec stop`"""
    parser.add_argument("--savepoints", action="store_true", help="list the known savepoints instead")


def run(args: argparse.Namespace) -> int:
    """Print one line per job, or per savepoint."""
    from jobs.config import load_config
    from jobs.flink_rest import FlinkRest
    from jobs.savepoints import known_savepoints

    config = load_config(args.config, home=args.home)
    if args.savepoints:
        for savepoint in known_savepoints(config):
            print(f"{_utc(savepoint.taken_at_ms)}  {savepoint.job:<9} {savepoint.execution_mode:<8} {savepoint.path}")
        return 0
    rest = FlinkRest(config.flink.rest_url)
    for job in rest.jobs():
        cause = rest.root_exception(job.job_id)
        print(f"{_utc(job.start_ms)}  {job.job_id}  {job.state:<10} {job.name}" + (f"  last failure: {cause[:200]}" if cause else ""))
    return 0


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
