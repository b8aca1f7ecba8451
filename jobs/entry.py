"""What every job's main does: read the configuration and knobs, build the graph, hand it to the cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.errors import AnomasecError, ConfigError

__all__ = ["EXECUTION_MODE", "JOBS", "STATE_VERSION", "parse_settings", "run_job"]

JOBS = ("ingest", "score", "pipeline")
"""ingest = normalise, assemble, measure; score = score, correlate; pipeline = both in one job."""


EXECUTION_MODE = "process"
"""PyFlink execution mode of every job: a savepoint of one mode restores in the other without its Python state."""
STATE_VERSION = "2"
"""Layout of the stages' state; a savepoint of another version is refused."""


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


def parse_settings(pairs: list[str]) -> dict[str, str]:
    """`["a=b"]` -> {"a": "b"}.

    Raises
    ------
    ConfigError
        A pair without `=`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--set {pair} is no setting", "write KEY=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


def _submit(job: str, arguments: argparse.Namespace) -> str:
    from dataclasses import replace

    from jobs.config import load_config
    from jobs.graph import JobGraph
    from jobs.knobs import read_knobs
    from jobs.sizing import MAX_BATCH_ROWS, batch_rows, sample_record_bytes

    config = load_config(arguments.config)
    if arguments.sql_dir:
        config = replace(config, sql_dir=arguments.sql_dir.resolve())
    settings = {"python.execution-mode": EXECUTION_MODE} | parse_settings(arguments.set)
    # kept with the job, so that `anomasec stop` can say of what kind its savepoint is
    settings["pipeline.global-job-parameters"] = (
        f"anomasec.execution-mode:{settings['python.execution-mode']},anomasec.state-version:{STATE_VERSION}"
    )
    graph = JobGraph(
        config,
        read_knobs(Path(config.sql_dir) / "flink" / "knobs.sql"),
        settings=settings,
        batch_rows=batch_rows(sample_record_bytes(config)) if job != "score" else MAX_BATCH_ROWS,
        startup_mode="earliest-offset" if arguments.from_beginning else "group-offsets",
    )
    if job in ("ingest", "pipeline"):
        graph.ingest()
    if job in ("score", "pipeline"):
        graph.score()
    client = graph.env.execute_async(f"anomasec-{job}")
    return str(client.get_job_id())
