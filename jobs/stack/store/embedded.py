"""A store folder opened for a while: through the server that has it open, or one started for the purpose."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.stack.store.folder import Running, running_in
from schemas.errors import StoreError

__all__ = ["open_store", "serve_store"]

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 60.0
_LOG = "store.log"


@contextmanager
def open_store(path: Path, database: str = "") -> Iterator[Any]:
    """A clickhouse-connect client of the store in a folder, made if missing.

    Parameters
    ----------
    path
        Folder of the store.
    database
        Database of the client; '' = `default`. It must exist by the time of the first query, not before.

    Raises
    ------
    StoreError
        The store does not start; says where its log is.
    """
    import clickhouse_connect

    with serve_store(path) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        client = clickhouse_connect.get_client(host=host, port=int(port), autogenerate_session_id=False, compress=False)
        client.database = database or "default"
        try:
            yield client
        finally:
            client.close()


@contextmanager
def serve_store(path: Path, port: int = 0) -> Iterator[str]:
    """The URL of a server of the folder: of the one that runs, or of one started now and stopped at the end.

    Raises
    ------
    StoreError
        The store does not start; says where its log is.
    """
    path = path.absolute()
    running = running_in(path)
    if running is not None:
        yield running.url
        return
    path.mkdir(parents=True, exist_ok=True)
    with (path / _LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.stack.store", "--path", str(path), "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
            start_new_session=True,
        )
    try:
        yield _wait(path, process).url
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(path: Path, process: subprocess.Popen[bytes]) -> Running:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        running = running_in(path)
        if running is not None and running.pid == process.pid:
            return running
        if process.poll() is not None:
            break
        time.sleep(0.05)
    lines = (path / _LOG).read_text(errors="replace").strip().splitlines()
    said = f": {lines[-1]}" if lines else ""
    raise StoreError(f"the store {path} does not start{said}", f"see {path / _LOG}")
