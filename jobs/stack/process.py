"""One process of the local stack: started detached, known again by pid and start time, ended as a whole group."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Process", "ProcessSpec"]

_TROUBLE = re.compile(r"\b(ERROR|FATAL|Exception|Error:|Caused by|Address already in use)")


@dataclass(frozen=True)
class ProcessSpec:
    """What to start."""

    name: str
    command: tuple[str, ...]
    address: str
    """Shown to people: host:port or URL."""
    ports: Mapping[str, int]
    """Configuration key -> port on 127.0.0.1 that must be free before the start."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to that of the caller."""
    stop_wait_s: float = 20.0
    """Time to end by itself before it is killed."""
    label: str = ""
    """Remembered with the pid: what this start is called by others."""


class Process:
    """A `ProcessSpec` in the folder of a stack: `run/<name>.json` holds its pid, `log/<name>.log` and `.out` what it says."""

    def __init__(self, spec: ProcessSpec, home: Path) -> None:
        self.spec = spec
        self.log = home / "log" / f"{spec.name}.log"
        self.out = home / "log" / f"{spec.name}.out"
        self._pid_file = home / "run" / f"{spec.name}.json"
        # Its own empty folder: Python puts the current directory before everything else on sys.path, so that sources lying
        # there would silently replace the ones that were submitted.
        self._cwd = home / "run" / spec.name
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that neither Ctrl-C nor the end of the caller reaches it."""
        self._end_group()
        for folder in (self._cwd, self.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self.out.open("wb") as out:
            self._child = subprocess.Popen(
                self.spec.command,
                cwd=self._cwd,
                env=os.environ | self.spec.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pid = self._child.pid
        partial = self._pid_file.with_suffix(".tmp")
        partial.write_text(json.dumps({"pid": pid, "start": _start_time(pid), "label": self.spec.label}))
        partial.replace(self._pid_file)

    @property
    def pid(self) -> int | None:
        """Its pid while it runs; None if it does not, also if the pid belongs to another process by now."""
        if self._child is not None:
            self._child.poll()  # a child that ended stays as a zombie until its parent looks
        known = self._known()
        if known is None:
            return None
        pid, start = known
        return pid if start is not None and _start_time(pid) == start else None

    @property
    def label(self) -> str:
        """The label it was started with, perhaps by another program; empty if it was never started."""
        try:
            return str(json.loads(self._pid_file.read_text())["label"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def stop(self) -> None:
        """Ask it to end, and with it what it started; kill what is left after the wait."""
        pid = self.pid
        if pid is not None:
            _signal(pid, signal.SIGTERM)

    def wait_stopped(self) -> bool:
        """Wait for the end after `stop`; True if it ended by itself, False if it had to be killed."""
        deadline = time.monotonic() + self.spec.stop_wait_s
        while (pid := self.pid) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        graceful = pid is None
        self._end_group()
        self._pid_file.unlink(missing_ok=True)
        return graceful

    def kill(self) -> None:
        """SIGKILL to the process alone, as the kernel would when memory is short; workers it started are left behind."""
        pid = self.pid
        if pid is not None:
            _signal(pid, signal.SIGKILL)
            deadline = time.monotonic() + 10
            while self.pid is not None and time.monotonic() < deadline:
                time.sleep(0.02)

    def memory_mb(self) -> int:
        """Resident memory of it and of the workers it started, in MB; 0 if it does not run or the system does not tell."""
        known = self._known()
        return sum(_resident_kb(pid) for pid in _group(known[0])) // 1024 if known and self.pid else 0

    def last_words(self) -> str:
        """Return the line of its logs that most likely says why it ended."""
        lines: list[str] = []
        for path in (self.log, self.out):
            try:
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - 65_536))
                    lines += [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
            except OSError:
                continue
        trouble = [line for line in lines if _TROUBLE.search(line)]
        return (trouble or lines or ["it wrote nothing"])[-1][:300]

    def _known(self) -> tuple[int, str | None] | None:
        try:
            known = json.loads(self._pid_file.read_text())
            return int(known["pid"]), known["start"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _end_group(self) -> None:
        """Kill what is left of the group of an earlier start, e.g. Python workers that outlived their TaskManager."""
        known = self._known()
        for pid in _group(known[0]) if known else ():
            _signal(pid, signal.SIGKILL)
        if self._child is not None:
            self._child.poll()


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat after the name, from `state`; None if it is gone or a zombie."""
    try:
        rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if rest[0] in "ZX" else rest


def _start_time(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        fields = _stat(pid)
        return fields[19] if fields else None
    told = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    state, _, start = told.partition(" ")
    return None if not told or state.startswith("Z") else start.strip()


def _group(leader: int) -> list[int]:
    """Pids of the session that `leader` was started in (it is session and group at once)."""
    if not Path("/proc/self/stat").exists():
        told = subprocess.run(["pgrep", "-g", str(leader)], capture_output=True, text=True, check=False).stdout
        return [int(word) for word in told.split()]
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields and fields[3] == str(leader):
                members.append(int(entry))
    return members


def _resident_kb(pid: int) -> int:
    try:
        match = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(match.group(1)) if match else 0
