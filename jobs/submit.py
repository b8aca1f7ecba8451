"""Submit, stop and restart jobs on a Flink cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from jobs.config import SECTIONS, Config
from jobs.entry import EXECUTION_MODE, JOBS
from jobs.flink_rest import FlinkRest, root_cause
from jobs.savepoints import Savepoint, guard_savepoint, keep_savepoint, keep_submission, latest_savepoint
from schemas.errors import AnomasecError, ConfigError

__all__ = ["config_environment", "job_name", "live_jobs", "product_zip", "restart", "stop", "submit"]

_TASKMANAGERS_S = 60.0
"""How long TaskManagers may take to find a JobManager that was started anew."""
_PACKAGES = ("jobs", "udfs", "schemas", "sql")


def job_name(job: str) -> str:
    """Name of the job on the cluster.

    Raises
    ------
    ConfigError
        No such job.
    """
    if job not in JOBS:
        raise ConfigError(f"there is no job '{job}'", f"use one of {', '.join(JOBS)}")
    return f"anomasec-{job}"


def submit(
    config: Config,
    job: str,
    *,
    from_savepoint: str | None = None,
    from_beginning: bool = False,
    settings: dict[str, str] | None = None,
    wait_s: float = 120,
) -> str:
    """Submit a job and wait until all its tasks run; returns the job id.

    Raises
    ------
    AnomasecError
        It runs already, a part is missing, the savepoint is of another mode, or the job does not start: each says how to mend it.
    """
    from jobs.stack.preflight import check_connections

    name = job_name(job)
    rest = FlinkRest(config.flink.rest_url)
    if running := rest.find(name):
        raise AnomasecError(f"job {job} is there already ({running.job_id}, {running.state})", f"use `anomasec restart {job}`")
    check_connections(config, config.flink.parallelism, _TASKMANAGERS_S)
    flink = dict(settings or {})
    if from_savepoint:
        guard_savepoint(config, job, from_savepoint)
        flink["execution.state-recovery.path"] = from_savepoint
    job_id = _run_client(config, job, flink, from_beginning)
    keep_submission(config, job, job_id, flink.get("python.execution-mode", EXECUTION_MODE), from_savepoint)
    _wait_until_running(rest, job_id, wait_s)
    return job_id


def live_jobs(config: Config) -> list[str]:
    """Our jobs that run on the cluster."""
    names = {job.name for job in FlinkRest(config.flink.rest_url).jobs() if job.is_live}
    return [job for job in JOBS if job_name(job) in names]


def stop(config: Config, job: str) -> Savepoint:
    """Stop a running job with a savepoint and keep what is known of it."""
    rest = FlinkRest(config.flink.rest_url)
    running = rest.find(job_name(job))
    if running is None:
        raise AnomasecError(f"job {job} does not run", "see `anomasec jobs`")
    told = rest.user_parameters(running.job_id)
    path = rest.stop(running.job_id, config.flink.savepoint_dir)
    savepoint = Savepoint(
        job, path, told.get("anomasec.execution-mode", "unknown"), told.get("anomasec.state-version", "unknown"), int(time.time() * 1000)
    )
    keep_savepoint(config, savepoint)
    return savepoint


def restart(config: Config, job: str, *, from_savepoint: str | None = None, settings: dict[str, str] | None = None) -> tuple[str, str]:
    """Stop with a savepoint if it runs, then submit from that, the given, or the newest state there is; (job id, path of the state).

    A job that was cancelled, failed, or ended with its cluster goes on from its last checkpoint.
    """
    rest = FlinkRest(config.flink.rest_url)
    if from_savepoint:
        guard_savepoint(config, job, from_savepoint)
    path = from_savepoint
    if rest.find(job_name(job)):
        stopped = stop(config, job).path
        path = path or stopped
    if path is None:
        known = latest_savepoint(config, job)
        if known is None:
            raise AnomasecError(f"job {job} does not run and left neither savepoint nor checkpoint", f"use `anomasec submit {job}`")
        path = known.path
    return submit(config, job, from_savepoint=path, settings=settings), path


def product_zip(folder: Path) -> Path:
    """Our packages and SQL as one zip that cluster workers unpack; rebuilt each time, it is small."""
    root = Path(__file__).resolve().parent.parent
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "anomasec.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in _PACKAGES:
            for path in sorted((root / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.write(path, path.relative_to(root))
    return target


def config_environment(config: Config) -> dict[str, str]:
    """The configuration as environment variables: for our own child processes, so that no secret is on a command line."""
    found = {"ANOMASEC_HOME": str(config.home), "ANOMASEC_SQL_DIR": str(config.sql_dir)}
    for section in SECTIONS:
        for key, value in asdict(getattr(config, section)).items():
            if value != "":
                found[f"ANOMASEC_{section}_{key}".upper()] = str(value)
    return found


def _run_client(config: Config, job: str, settings: dict[str, str], from_beginning: bool) -> str:
    from jobs.stack.cluster import client_environment, prepare_flink

    prepare_flink(config)
    rest = urlsplit(config.flink.rest_url)
    flink = {
        "execution.target": "remote",
        "rest.address": rest.hostname or "127.0.0.1",
        "rest.port": str(rest.port or 8081),
        "python.files": str(product_zip(config.home / "flink" / "upload")),
        **settings,
    }
    command = [sys.executable, "-m", f"jobs.{job}_job"]
    command += [part for key, value in flink.items() for part in ("--set", f"{key}={value}")]
    command += ["--from-beginning"] if from_beginning else []
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ANOMASEC_")}
    with tempfile.TemporaryDirectory() as empty:  # the current directory precedes the shipped code on sys.path
        done = subprocess.run(
            command,
            cwd=empty,
            env={**inherited, **client_environment(config), **config_environment(config)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        log = config.home / "log" / f"submit-{job}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout + done.stderr)
        told = [line for line in done.stderr.splitlines() if line.startswith("anomasec: ")]
        if told:
            raise AnomasecError(told[-1].removeprefix("anomasec: "))
        raise AnomasecError(f"job {job} could not be submitted: {root_cause(done.stderr)[:400]}", f"the whole story is in {log}")
    return done.stdout.split()[-1]


def _wait_until_running(rest: FlinkRest, job_id: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        state = rest.status(job_id)
        running, tasks = rest.running_tasks(job_id)
        if state == "RUNNING" and running == tasks:
            return
        if state in ("FAILED", "CANCELED", "FINISHED") or rest.root_exception(job_id):
            raise AnomasecError(f"job {job_id} does not run ({state}): {rest.root_exception(job_id)[:400]}", "see the web UI for the rest")
        time.sleep(0.5)
    raise AnomasecError(
        f"job {job_id} does not run after {wait_s:.0f} s ({rest.status(job_id)})", "are there enough free slots? see `anomasec status`"
    )
