"""What every job's main does: read the configuration and knobs, build the graph, hand it to the cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.errors import AnomasecError, SqlError

__all__ = ["JOBS", "run_job"]

JOBS = ("ingest", "score", "pipeline")
"""ingest = normalise, assemble, measure; score = score, correlate; pipeline = both in one job."""


def run_job(job: str) -> None:
    """Build and submit `job`; prints the job id.

    Runs in a process of its own: started by `anomasec submit`, or by `flink run -pym jobs.<job>_job -pyfs product.zip`.
    """
    parser = argparse.ArgumentParser(prog=f"jobs.{job}_job")
    parser.add_argument("--config", type=Path, help="configuration file; else the environment")
    parser.add_argument("--sql-dir", type=Path, help="folder of the SQL files; else the configured one")
    parser.add_argument("--from-beginning", action="store_true", help="read the topics from their first record")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a Flink setting")
    arguments = parser.parse_args()
    try:
        print(_submit(job, arguments))
    except AnomasecError as error:
        sys.exit(f"anomasec: {error}")


def _submit(job: str, arguments: argparse.Namespace) -> str:
    from dataclasses import replace

    from jobs.config import load_config
    from jobs.graph import JobGraph
    from jobs.knobs import read_knobs

    config = load_config(arguments.config)
    if arguments.sql_dir:
        config = replace(config, sql_dir=arguments.sql_dir.resolve())
    for pair in arguments.set:
        if "=" not in pair:
            raise SqlError(f"--set {pair}", "write KEY=VALUE")
    graph = JobGraph(
        config,
        read_knobs(Path(config.sql_dir) / "flink" / "knobs.sql"),
        settings=dict(pair.split("=", 1) for pair in arguments.set),
        startup_mode="earliest-offset" if arguments.from_beginning else "group-offsets",
    )
    if job in ("ingest", "pipeline"):
        graph.ingest()
    if job in ("score", "pipeline"):
        graph.score()
    client = graph.env.execute_async(f"anomasec-{job}")
    return str(client.get_job_id())
