"""Which files are read, and the clock at which their lines arrive."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from schemas.errors import ConfigError

__all__ = ["Line", "Source", "find_sources"]

_LOGS = (".jsonl", ".ndjson", ".json", ".log", ".txt", ".out", "")
_SCHEDULE = re.compile(r"^schedule(?P<suffix>.*)\.csv(\.gz)?$")


@dataclass(frozen=True)
class Line:
    """One line of a file; `arrival_ms` is None when only the line itself can tell."""

    value: bytes
    topic: str
    offset: int
    arrival_ms: int | None
    read_bytes: int
    """Bytes of the file (as it lies on disk) read since the line before: for the progress bar."""


@dataclass(frozen=True)
class Source:
    """Lines in the order they arrive: one file, or the files of one schedule."""

    name: str
    files: tuple[Path, ...]
    schedule: Path | None = None

    @property
    def total_bytes(self) -> int:
        """Size on disk."""
        return sum(path.stat().st_size for path in self.files)

    def lines(self) -> Iterator[Line]:
        """Read the lines.

        Raises
        ------
        ConfigError
            A file cannot be read, or the schedule names lines that are not there.
        """
        if self.schedule is None:
            for number, (value, read) in enumerate(_read_lines(self.files[0])):
                yield Line(value, self.name, number, None, read)
        else:
            yield from _scheduled(self.schedule, {kind_of(path, self.schedule): path for path in self.files})


def find_sources(paths: list[Path]) -> list[Source]:
    """Files and folders (not their subfolders' hidden files) as sources, in name order.

    A `schedule<suffix>.csv[.gz]` (`arrival_unix_nano,kind,line`, lines from 1) gives the arrival clock of the files
    `<kind><suffix>.*` beside it; in such a folder no other file is read.

    Raises
    ------
    ConfigError
        A path is not there, or holds nothing that can be read.
    """
    found: list[Source] = []
    for path in paths:
        if path.is_dir():
            found += _in_folder(path)
        elif path.is_file():
            found.append(Source(path.name, (path,)))
        else:
            raise ConfigError(f"there is no file or folder {path}", "correct the path")
    if not found:
        raise ConfigError(f"no log files in {', '.join(map(str, paths))}", f"files end in {', '.join(_LOGS[:-1])}, plain or .gz")
    return found


def kind_of(path: Path, schedule: Path) -> str:
    """'traces' for traces-2022.jsonl.gz beside schedule-2022.csv.gz."""
    match = _SCHEDULE.match(schedule.name)
    suffix = match["suffix"] if match else ""
    return path.name.split(".")[0].removesuffix(suffix)


def _in_folder(folder: Path) -> list[Source]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts))
    schedules = [p for p in files if _SCHEDULE.match(p.name)]
    if not schedules:
        return [Source(str(p.relative_to(folder)), (p,)) for p in files if _is_log(p)]
    found = []
    for schedule in schedules:
        kinds = {row[1] for row in _schedule_rows(schedule)}
        members = tuple(p for p in files if p.parent == schedule.parent and p != schedule and kind_of(p, schedule) in kinds and _is_log(p))
        missing = kinds - {kind_of(p, schedule) for p in members}
        if missing:
            raise ConfigError(f"{schedule} names {', '.join(sorted(missing))}, but there is no such file beside it", "put it there")
        found.append(Source(schedule.name, members, schedule))
    return found


def _is_log(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return Path(name).suffix in _LOGS


def _open(path: Path) -> tuple[BinaryIO, BinaryIO]:
    try:
        raw = path.open("rb")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "correct the path or its permissions") from None
    if raw.read(2) == b"\x1f\x8b":
        raw.seek(0)
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20), raw
    raw.seek(0)
    return raw, raw


def _read_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Lines without their end, and how far the file on disk was read for each."""
    text, raw = _open(path)
    at = 0
    try:
        for line in text:
            now = raw.tell()
            yield line.removesuffix(b"\n").removesuffix(b"\r"), now - at
            at = now
    except (EOFError, OSError, gzip.BadGzipFile) as error:
        raise ConfigError(f"cannot read {path}: {error}", "is the file whole? try `gzip -t`") from None
    finally:
        text.close()
        raw.close()


def _schedule_rows(schedule: Path) -> Iterator[tuple[int, str, int]]:
    text, raw = _open(schedule)
    try:
        reader = csv.reader(io.TextIOWrapper(text))
        if next(reader, None) != ["arrival_unix_nano", "kind", "line"]:
            raise ConfigError(f"{schedule}: the first line must be arrival_unix_nano,kind,line", "correct the schedule")
        for row in reader:
            yield int(row[0]) // 1_000_000, row[1], int(row[2])
    except (ValueError, IndexError) as error:
        raise ConfigError(f"{schedule}: not a schedule: {error}", "write arrival_unix_nano,kind,line") from None
    finally:
        raw.close()


def _scheduled(schedule: Path, files: dict[str, Path]) -> Iterator[Line]:
    readers = {kind: enumerate(_read_lines(path), 1) for kind, path in files.items()}
    ahead: dict[str, dict[int, tuple[bytes, int]]] = {kind: {} for kind in files}
    for arrival_ms, kind, number in sorted(_schedule_rows(schedule), key=lambda row: row[0]):
        waiting = ahead[kind]
        while number not in waiting:  # lines may arrive in another order than they stand in the file
            at, read = next(readers[kind], (None, None))
            if at is None or read is None:
                raise ConfigError(f"{schedule} names line {number} of {files[kind]}, which is not there", "correct the schedule")
            waiting[at] = read
        value, read_bytes = waiting.pop(number)
        yield Line(value, files[kind].name, number - 1, arrival_ms, read_bytes)
