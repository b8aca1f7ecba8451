"""A slice of the fuzz run, and what longer runs have found."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.stages import user_formats
from schemas.event import RAW
from tests.fuzz.mutate import seeds
from tests.fuzz.run import fuzz, mistakes_of
from udfs.normalise import NormaliseOut, NormaliseSettings, normalise

_SETTINGS = NormaliseSettings(formats=user_formats(Path(__file__).parents[2] / "sql"))


def _read(*lines: bytes) -> NormaliseOut:
    n = len(lines)
    return normalise(pa.table([list(lines), ["fuzz"] * n, [0] * n, list(range(n)), [0] * n], schema=RAW.arrow), _SETTINGS)


def test_mutated_lines_of_all_formats_neither_crash_nor_get_lost() -> None:
    found = fuzz(4_000, 7, _SETTINGS)
    assert found.mistakes == []
    assert found.events > 500
    assert len(found.reasons) > 8


def test_the_seeds_are_lines_of_many_formats() -> None:
    formats = set(_read(*seeds()).events["format"].to_pylist())
    assert len(formats) > 20


@pytest.mark.parametrize("depth", [100, 300, 1_000, 1_023, 5_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":', '{"records":[', '{"resourceSpans":['])
def test_a_bomb_of_nested_json_is_one_dead_letter_or_event(depth: int, opening: str) -> None:
    closing = "".join({"[": "]", "{": "}"}[char] for char in reversed(opening) if char in "[{")
    line = (opening * depth + "1" + closing * depth).encode()
    out = _read(line)
    assert not mistakes_of([line], out)


@pytest.mark.parametrize(
    "line",
    [
        b"2026-03-12T10:1\xf0\x9f\x92\xa91:12+00:00 lb1 haproxy[1]: 10.0.1.2:33317 in s/s 1/0/3/6/9 200 2",
        b'203.0.113.87 - - \xf0\x9f\x92\xa9[15/Apr/2026:07:13:13 +0000] "GET / HTTP/1.1" 200 6 "-" "curl" 75 0.002 [a] 10.0.0.1:80 6 0.002',
        b'203.0.113.87 - - [\xf0\x9f\x92\xa9 "GET / HTTP/1.1" 200 612 "-" "curl"',
    ],
)
def test_a_letter_of_four_bytes_anywhere_is_no_crash(line: bytes) -> None:
    assert not mistakes_of([line], _read(line))


@pytest.mark.parametrize("seconds", ["1e308", "9" * 400])
def test_a_duration_without_end_is_a_dead_letter(seconds: str) -> None:
    line = json.dumps({"remote_addr": "10.0.0.1", "request_time": 0, "status": 200, "request": "GET / HTTP/1.1"}).replace(
        ": 0", f": {seconds}"
    )
    assert _read(line.encode()).dead_letters["reason"].to_pylist() in (["invalid_duration"], ["invalid_json"])


def test_a_line_reads_the_same_beside_one_that_is_no_utf8() -> None:
    line = b' "10.42.197.253:8080"'
    alone, beside = _read(line).dead_letters, _read(line, b"\xff").dead_letters
    assert alone.slice(0, 1).to_pylist() == beside.slice(0, 1).to_pylist()


@pytest.mark.parametrize(
    ("line", "neighbour"),
    [
        # the second key of a field is looked at only where some line lacks the first
        (
            b'{"timestamp":"2026-03-12T10:11:12Z","receiveTimestamp":"2024-06-30T23:59:60Z","logName":"projects/p/logs/requests",'
            b'"httpRequest":{"requestMethod":"GET","requestUrl":"https://a/b","status":200}}',
            b'{"receiveTimestamp":"2026-03-12T10:11:12Z","logName":"projects/p/logs/requests",'
            b'"httpRequest":{"requestMethod":"GET","requestUrl":"https://a/b","status":200}}',
        ),
        (
            b'http 2018-11-30T22:23:00.186641Z a 10.0.0.1:2817 - 0.000 0.001 -0 502 - 34 366 "GET http://a:80/ HTTP/1.1" "c" - -'
            b' arn:aws:x "Root=1-5" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "-" "-" "-" "-" "-"',
            b'http 2018-11-30T22:23:00.186641Z a 10.0.0.1:2817 - 1.2.3 0.001 0.1 502 - 34 366 "GET http://a:80/ HTTP/1.1" "c" - -'
            b' arn:aws:x "Root=1-5" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "-" "-" "-" "-" "-"',
        ),
    ],
)
def test_a_bad_value_counts_alike_alone_and_beside_another_line(line: bytes, neighbour: bytes) -> None:
    alone, beside = _read(line), _read(line, neighbour)
    assert alone.events["timestamp"].to_pylist() == beside.events["timestamp"].to_pylist()[:1]
    assert alone.dead_letters.num_rows == sum(offset == 0 for offset in beside.dead_letters["offset"].to_pylist())
