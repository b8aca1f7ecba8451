"""Which files a replay reads and in which order their lines arrive."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from jobs.replay.files import find_sources
from schemas.errors import ConfigError


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_a_folder_gives_its_log_files_in_name_order_plain_and_compressed(tmp_path: Path) -> None:
    _write(tmp_path / "b.log", "3\r\n4")
    _write(tmp_path / "a.jsonl.gz", "1\n2\n")
    _write(tmp_path / "notes.md", "not a log")
    sources = find_sources([tmp_path])
    assert [source.name for source in sources] == ["a.jsonl.gz", "b.log"]
    assert [(line.offset, line.value) for source in sources for line in source.lines()] == [(0, b"1"), (1, b"2"), (0, b"3"), (1, b"4")]


def test_a_schedule_gives_order_and_arrival_and_hides_other_files(tmp_path: Path) -> None:
    _write(tmp_path / "traces-1.jsonl", "t1\nt2\nt3\n")
    _write(tmp_path / "logs-1.jsonl.gz", "l1\n")
    _write(tmp_path / "faults.json", "{}")
    _write(
        tmp_path / "schedule-1.csv", "arrival_unix_nano,kind,line\n3000000,traces,2\n1000000,traces,3\n2000000,logs,1\n4000000,traces,1\n"
    )
    (source,) = find_sources([tmp_path])
    assert [(line.value, line.arrival_ms, line.offset) for line in source.lines()] == [
        (b"t3", 1, 2),
        (b"l1", 2, 0),
        (b"t2", 3, 1),
        (b"t1", 4, 0),
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("schedule.csv", "time,kind,line\n", "the first line must be"),
        ("schedule.csv", "arrival_unix_nano,kind,line\nsoon,traces,1\n", "not a schedule"),
        ("schedule.csv", "arrival_unix_nano,kind,line\n1,spans,1\n", "no such file beside it"),
    ],
)
def test_a_broken_schedule_is_told_in_one_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    _write(tmp_path / "traces.jsonl", "x\n")
    _write(tmp_path / name, text)
    with pytest.raises(ConfigError, match=told):
        [list(source.lines()) for source in find_sources([tmp_path])]


def test_a_schedule_that_names_a_line_beyond_the_file_is_told(tmp_path: Path) -> None:
    _write(tmp_path / "traces.jsonl", "x\n")
    _write(tmp_path / "schedule.csv", "arrival_unix_nano,kind,line\n1,traces,2\n")
    with pytest.raises(ConfigError, match="names line 2"):
        [list(source.lines()) for source in find_sources([tmp_path])]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file or folder"):
        find_sources([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match="no log files"):
        find_sources([tmp_path])
    broken = tmp_path / "a.log.gz"
    broken.write_bytes(gzip.compress(b"line\n" * 1000)[:40])
    with pytest.raises(ConfigError, match="is the file whole"):
        [list(source.lines()) for source in find_sources([broken])]
