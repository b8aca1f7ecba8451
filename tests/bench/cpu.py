"""CPU seconds of the stack's processes, from /proc: the figure that holds on a shared machine."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_seconds", "peak_memory_mb", "tree"]

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> dict[int, str]:
    """A process and all its descendants: pid -> 'java', 'python', ..."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            name = text[text.index("(") + 1 : text.rindex(")")]
            names[int(entry.name)] = name
            parents[int(entry.name)] = int(text[text.rindex(")") + 2 :].split()[1])
    found = {pid: names.get(pid, "")}
    grew = True
    while grew:
        more = {child: names[child] for child, parent in parents.items() if parent in found and child not in found}
        found |= more
        grew = bool(more)
    return found


def cpu_seconds(pids: dict[int, str]) -> dict[str, float]:
    """User and system time so far, by process name."""
    used: dict[str, float] = {}
    for pid, name in pids.items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used[name] = used.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / _TICKS
    return used


def peak_memory_mb(pids: dict[int, str]) -> float:
    """Sum of the peak resident sizes."""
    total = 0.0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
    return total
