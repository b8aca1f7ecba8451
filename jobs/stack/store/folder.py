"""The store's folder: one process at a time, and where that process listens."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from schemas.errors import StoreError

__all__ = ["Running", "StoreFolder", "running_in"]

_LOCK = "store.lock"
_NOTE = "store.json"


@dataclass(frozen=True)
class Running:
    """The server that has a folder open."""

    pid: int
    url: str


class StoreFolder:
    """A folder, held by this process until `release` (or its death, however sudden)."""

    def __init__(self, path: Path) -> None:
        if set("?&") & set(str(path)):
            raise StoreError(f"chDB cannot open the path {path}", "name a folder without ? and & in its path")
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = (path / _LOCK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            owner = _note_of(path)
            who = f" by process {owner.pid} at {owner.url}" if owner else ""
            raise StoreError(f"the store {path} is open already{who}", "use that one, stop it, or name another folder") from None

    def announce(self, url: str) -> None:
        """Tell other processes where this store listens."""
        draft = self.path / f"{_NOTE}.new"
        draft.write_text(json.dumps({"pid": os.getpid(), "url": url}) + "\n")
        draft.replace(self.path / _NOTE)

    def release(self) -> None:
        """Let others open the folder."""
        (self.path / _NOTE).unlink(missing_ok=True)
        self._lock.close()


def running_in(path: Path) -> Running | None:
    """The server that has the folder open now; None when nobody has."""
    lock = path / _LOCK
    if not lock.exists():
        return None
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _note_of(path)
    return None


def _note_of(path: Path) -> Running | None:
    try:
        note = json.loads((path / _NOTE).read_text())
        return Running(int(note["pid"]), str(note["url"]))
    except (OSError, ValueError, KeyError):
        return None
