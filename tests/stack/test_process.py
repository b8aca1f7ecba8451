"""Processes: detached, known again, ended with what they started, and never somebody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.stack.process import Process, ProcessSpec

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
WORKER = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', '{WORKER}']); print('ready', flush=True); time.sleep(60)"


def process(home: Path, code: str, stop_wait_s: float = 5) -> Process:
    spec = ProcessSpec("it", (sys.executable, "-c", code), "here", {}, {"GREETING": "hello"}, stop_wait_s, "label-1")
    return Process(spec, home)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def started(home: Path, code: str, stop_wait_s: float = 5) -> Process:
    it = process(home, code, stop_wait_s)
    it.start()
    assert eventually(lambda: b"ready" in it.out.read_bytes())
    return it


def children(pid: int) -> list[int]:
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in told.split()]


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_another_program_knows_a_running_process_again_and_can_end_it(tmp_path: Path) -> None:
    it = started(tmp_path, SLEEPER)
    other = process(tmp_path, SLEEPER)
    assert other.pid == it.pid
    assert it.pid
    assert other.label == "label-1"
    assert other.memory_mb() > 1
    other.stop()
    assert other.wait_stopped()
    assert (other.pid, other.memory_mb()) == (None, 0)


def test_a_process_runs_in_a_session_and_an_empty_folder_of_its_own(tmp_path: Path) -> None:
    it = started(tmp_path, "import os, time; print(os.getcwd(), os.listdir(), os.environ['GREETING'], 'ready', flush=True); time.sleep(60)")
    assert it.out.read_text().split() == [str(tmp_path / "run" / "it"), "[]", "hello", "ready"]
    assert os.getsid(it.pid or 0) == it.pid != os.getsid(0)
    it.stop()
    assert it.wait_stopped()


def test_a_pid_that_now_belongs_to_another_process_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "it.json").write_text(json.dumps({"pid": bystander.pid, "start": "1", "label": ""}))
        it = process(tmp_path, SLEEPER)
        assert it.pid is None
        it.stop()
        it.kill()
        assert it.wait_stopped()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_what_ignores_the_request_is_killed(tmp_path: Path) -> None:
    it = started(tmp_path, STUBBORN, stop_wait_s=0.3)
    pid = it.pid or 0
    it.stop()
    assert not it.wait_stopped()
    assert eventually(lambda: not alive(pid))


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    it = started(tmp_path, PARENT)
    [worker] = children(it.pid or 0)
    it.stop()
    it.wait_stopped()
    assert eventually(lambda: not alive(worker))


def test_workers_left_behind_by_a_killed_process_are_gone_before_the_next_start(tmp_path: Path) -> None:
    it = started(tmp_path, PARENT)
    [worker] = children(it.pid or 0)
    it.kill()
    assert it.pid is None
    assert alive(worker)
    again = started(tmp_path, SLEEPER)
    assert eventually(lambda: not alive(worker))
    again.stop()
    assert again.wait_stopped()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("fine\nERROR disk is full\nINFO shutting down\n", "ERROR disk is full"),
        ("fine\nlast line\n", "last line"),
        ("", "it wrote nothing"),
    ],
)
def test_last_words_are_the_line_that_says_why(tmp_path: Path, log: str, words: str) -> None:
    it = process(tmp_path, SLEEPER)
    it.log.parent.mkdir(parents=True)
    it.log.write_text(log)
    assert it.last_words() == words
