"""A Flink mini cluster inside this process: for checks, backtests and tests."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.errors import MissingPart

__all__ = ["connector_jars", "local_environment"]

_ROOT = Path(__file__).resolve().parents[2]


def connector_jars(jar_dir: Path | None = None) -> list[Path]:
    """Flink's connectors in the folder (default: those `make setup` fetched); empty when there are none."""
    if jar_dir is not None:
        return sorted(jar_dir.glob("flink-sql-connector-*.jar"))
    from jobs.stack.machine import find_jars

    try:
        return find_jars("flink")
    except MissingPart:
        return []


def local_environment(parallelism: int = 1, settings: Mapping[str, str] | None = None, jar_dir: Path | None = None) -> Any:
    """A streaming StreamTableEnvironment whose jobs run in this process.

    Parameters
    ----------
    parallelism
        Parallel pipelines; each starts its own Python workers.
    settings
        Flink settings beyond the defaults here.
    jar_dir
        Folder with the Kafka connector; only needed to plan queries over Kafka tables.

    Raises
    ------
    MissingPart
        No Java.

    Notes
    -----
    Cost: about 5 s the first time in a process (the JVM starts), milliseconds after that.
    """
    # Workers inherit the environment of the JVM, which inherits ours: it must be set before the JVM starts.
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, paths)])
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.java_gateway import get_gateway
    from pyflink.table import StreamTableEnvironment

    configuration = Configuration()
    defaults = {
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "python.execution-mode": "process",
        "python.fn-execution.arrow.batch.size": "20000",
        "python.fn-execution.bundle.size": "60000",
        "collect-sink.batch-size.max": "64 mb",  # one payload holds 20,000 rows
        "parallelism.default": str(parallelism),
        "taskmanager.numberOfTaskSlots": str(parallelism),
        "taskmanager.memory.network.min": "64 mb",
        "taskmanager.memory.network.max": "64 mb",
        "table.local-time-zone": "UTC",
        "restart-strategy.type": "none",
    }
    jars = connector_jars(jar_dir)
    if jars:
        defaults["pipeline.jars"] = ";".join(jar.as_uri() for jar in jars)
    for key, value in {**defaults, **(settings or {})}.items():
        configuration.set_string(key, value)
    try:
        with _jvm_stderr():
            get_gateway()
        _hush_workers()
        env = StreamExecutionEnvironment.get_execution_environment(configuration)
    except (FileNotFoundError, RuntimeError) as error:
        raise MissingPart(f"Java does not start: {error}", "install Java 17 and set JAVA_HOME") from None
    return StreamTableEnvironment.create(env)


@contextmanager
def _jvm_stderr() -> Iterator[None]:
    """A JVM started in this block, and its workers, write their stderr nowhere, unless ANOMASEC_DEBUG is set.

    Workers print harmless tracebacks when a job ends and their connection closes; what matters comes back as the job's exception.
    """
    if os.environ.get("ANOMASEC_DEBUG"):
        yield
        return
    ours = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
        os.close(nowhere)


def _hush_workers() -> None:
    """Workers of a mini cluster are threads of this process: what they log about a job's end is noise here, see `_jvm_stderr`."""
    if os.environ.get("ANOMASEC_DEBUG"):
        return
    beam = logging.getLogger("apache_beam")
    beam.addHandler(logging.NullHandler())
    beam.propagate = False
    previous = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.thread is None or args.thread.name != "read_grpc_client_inputs":
            previous(args)

    if previous.__module__ != __name__:  # once per process
        threading.excepthook = hook
