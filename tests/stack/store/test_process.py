"""The store as a process: started, stopped, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from jobs.stack.store.embedded import open_store, serve_store
from jobs.stack.store.folder import StoreFolder, running_in
from schemas.errors import StoreError

REPOSITORY = Path(__file__).parents[3]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a store process and wait for it to answer; all are ended after the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(path: Path, *options: str, wait: bool = True, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.stack.store", "--path", str(path), "--port", "0", *options],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        deadline = time.monotonic() + 30
        while wait and process.poll() is None and time.monotonic() < deadline:
            running = running_in(path)
            if running is not None and running.pid == process.pid:
                break
            time.sleep(0.02)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _url(path: Path) -> str:
    running = running_in(path)
    assert running is not None
    return running.url


def _run(path: Path, sql: str) -> str:
    answer = requests.post(_url(path), data=sql.encode(), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_acknowledged_rows_outlive_a_sigkill_and_a_graceful_stop(tmp_path: Path, start: Start) -> None:
    process = start(tmp_path)
    _run(tmp_path, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
    for number in range(20):
        _run(tmp_path, f"INSERT INTO t SELECT number FROM numbers({number * 100}, 100)")
    process.kill()
    process.wait()
    assert running_in(tmp_path) is None

    process = start(tmp_path)
    assert _run(tmp_path, "SELECT count(), uniqExact(a) FROM t") == "2000\t2000\n"
    _run(tmp_path, "INSERT INTO t VALUES (9999)")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not (tmp_path / "store.json").exists()

    start(tmp_path)
    assert _run(tmp_path, "SELECT count() FROM t") == "2001\n"


def test_a_graceful_stop_finishes_what_is_under_way(tmp_path: Path, start: Start) -> None:
    process = start(tmp_path)
    url = _url(tmp_path)
    _run(tmp_path, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")

    def body() -> Iterator[bytes]:
        yield b"1\n"
        time.sleep(0.5)  # on a busy machine the request may not be under way yet
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        yield b"2\n"

    assert requests.post(url, params={"query": "INSERT INTO t FORMAT TSV"}, data=body(), timeout=30).status_code == 200
    assert process.wait(20) == 0
    start(tmp_path)
    assert _run(tmp_path, "SELECT count() FROM t") == "2\n"


def test_a_folder_is_open_in_one_process_only(tmp_path: Path, start: Start) -> None:
    first = start(tmp_path)
    second = start(tmp_path, wait=False)
    assert second.wait(20) == 3
    assert second.stderr is not None
    told = second.stderr.read().decode()
    assert told.startswith(f"anomasec: the store {tmp_path} is open already by process {first.pid} at http://127.0.0.1:")
    assert told.count("\n") == 1
    assert _run(tmp_path, "SELECT 1") == "1\n"


def test_a_taken_port_is_one_line(tmp_path: Path, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, "--port", str(taken.getsockname()[1]), wait=False)
        assert process.wait(20) == 2
    assert process.stderr is not None
    assert process.stderr.read().decode().startswith("anomasec: cannot listen on 127.0.0.1:")


def test_wrong_password_is_code_516(tmp_path: Path, start: Start) -> None:
    start(tmp_path, "--user", "reader", ANOMASEC_STORE_PASSWORD="right")
    url = _url(tmp_path)
    refused = requests.post(url, data="SELECT 1", headers={"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "wrong"}, timeout=10)
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert requests.post(url, data="SELECT 1", timeout=10).status_code == 403
    assert requests.post(url, data="SELECT 1", auth=("reader", "right"), timeout=10).text == "1\n"
    assert requests.get(f"{url}/ping", timeout=10).text == "Ok.\n"


def test_open_store_starts_a_server_for_the_folder_and_shares_one_that_runs(tmp_path: Path) -> None:
    with open_store(tmp_path / "new") as client:
        client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        with open_store(tmp_path / "new") as other:
            assert other.command("SELECT count() FROM t") == 0
        assert client.command("SELECT 1") == 1
    assert running_in(tmp_path / "new") is None


def test_a_store_that_cannot_start_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StoreError, match="does not start.*see .*store.log"), serve_store(tmp_path):
        pass


def test_a_path_that_chdb_would_cut_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="without . and &"):
        StoreFolder(tmp_path / "what?")
    assert list(tmp_path.iterdir()) == []


def test_note_of_a_dead_process_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:1"}))
    assert running_in(tmp_path) is None
    folder = StoreFolder(tmp_path)
    folder.announce("http://127.0.0.1:5")
    held = running_in(tmp_path)
    assert held is not None
    assert (held.pid, held.url) == (os.getpid(), "http://127.0.0.1:5")
    folder.release()
    assert running_in(tmp_path) is None
