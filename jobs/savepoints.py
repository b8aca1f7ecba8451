"""What a job can go on from: savepoints that `anomasec stop` took, and checkpoints of a job that ended with its cluster."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jobs.config import Config
from jobs.entry import EXECUTION_MODE, STATE_VERSION
from schemas.errors import AnomasecError

__all__ = ["Savepoint", "Submission", "guard_savepoint", "keep_savepoint", "keep_submission", "known_savepoints", "latest_savepoint"]


@dataclass(frozen=True)
class Savepoint:
    """What is known of a savepoint or checkpoint; kept beside it, because it does not say so itself."""

    job: str
    path: str
    execution_mode: str
    state_version: str
    taken_at_ms: int


@dataclass(frozen=True)
class Submission:
    """The last submission of a job: without it nobody could say which checkpoints are that job's once its JobManager is gone."""

    job: str
    job_id: str
    execution_mode: str
    state_version: str
    submitted_at_ms: int
    started_from: str = ""
    """Savepoint or checkpoint it started from; '' = none."""


def keep_savepoint(config: Config, savepoint: Savepoint) -> None:
    """Remember a savepoint."""
    record = _savepoint_records(config) / f"{savepoint.job}-{savepoint.taken_at_ms}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(asdict(savepoint), indent=1))


def keep_submission(config: Config, job: str, job_id: str, execution_mode: str, started_from: str | None) -> None:
    """Remember the last submission of a job."""
    now_ms = int(time.time() * 1000)
    record = _submission_record(config, job)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(asdict(Submission(job, job_id, execution_mode, STATE_VERSION, now_ms, started_from or "")), indent=1))


def known_savepoints(config: Config) -> list[Savepoint]:
    """Savepoints taken by `stop`, oldest first."""
    return [Savepoint(**json.loads(path.read_text())) for path in sorted(_savepoint_records(config).glob("*.json"))]


def latest_savepoint(config: Config, job: str) -> Savepoint | None:
    """The newest state of a job: a savepoint, or a checkpoint that was completed after it."""
    found = [savepoint for savepoint in (*known_savepoints(config), *_checkpoints(config, job)) if savepoint.job == job]
    return max(found, key=lambda savepoint: savepoint.taken_at_ms, default=None)


def guard_savepoint(config: Config, job: str, path: str) -> None:
    """Refuse a savepoint whose Python state this version would silently leave out.

    Raises
    ------
    AnomasecError
        It is not there, of another job, another execution mode or another state version.
    """
    local = urlsplit(path)
    if local.scheme in ("", "file") and not Path(local.path).exists():
        raise AnomasecError(f"there is no savepoint {path}", "see `anomasec jobs --savepoints`")
    candidates = (*known_savepoints(config), *_checkpoints(config, job))
    known = next((savepoint for savepoint in candidates if savepoint.path.rstrip("/") == path.rstrip("/")), None)
    if known is None:
        raise AnomasecError(
            f"nothing is known of savepoint {path}: it may be of another execution mode, and its state would be lost silently",
            f"use one taken by `anomasec stop`, see `anomasec jobs --savepoints`, or add its record to {_savepoint_records(config)}",
        )
    for what, has, needs in (
        ("job", known.job, job),
        ("execution mode", known.execution_mode, EXECUTION_MODE),
        ("state version", known.state_version, STATE_VERSION),
    ):
        if has != needs:
            raise AnomasecError(
                f"savepoint {path} is of {what} '{has}', this is '{needs}': its state would be lost silently",
                "use a savepoint of the same kind, or submit without one",
            )


def _checkpoints(config: Config, job: str) -> list[Savepoint]:
    """Complete checkpoints of the last submission of a job; of none when they are not on this machine's disk."""
    record = _submission_record(config, job)
    folder = urlsplit(config.flink.checkpoint_dir)
    if folder.scheme not in ("", "file") or not record.exists():
        return []
    last = Submission(**json.loads(record.read_text()))
    # A checkpoint without its metadata was not finished when the cluster ended.
    complete = Path(folder.path, last.job_id).glob("chk-*/_metadata")
    return [
        Savepoint(job, f"file:{meta.parent}", last.execution_mode, last.state_version, int(meta.stat().st_mtime * 1000))
        for meta in complete
    ]


def _savepoint_records(config: Config) -> Path:
    return config.home / "savepoint-records"


def _submission_record(config: Config, job: str) -> Path:
    return config.home / "submissions" / f"{job}.json"
