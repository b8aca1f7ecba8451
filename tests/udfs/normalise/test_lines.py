from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines, read_chunks

_SETTINGS = NormaliseSettings(redact=False)


def _parse(*lines: bytes) -> list[object]:
    return [json.loads(line) for line in parse_lines(list(lines), _SETTINGS)]


def test_each_line_is_answered_in_its_place() -> None:
    answers = _parse(b"garbage", b"", b'{"method":"GET","path":"/a","timestamp":"2026-03-12T10:11:12.5Z"}', b"#Fields: date time", b"\r")
    assert [next(iter(answer)) for answer in answers] == ["error", "error", "timestamp", "skipped", "error"]  # type: ignore[call-overload]
    assert answers[2] == {
        "timestamp": "2026-03-12T10:11:12.500000Z",
        "kind": "access",
        "http_request_method": "GET",
        "url_path": "/a",
        "http_route": "/a",
        "format": "json",
    }


def test_a_time_that_was_not_logged_is_left_out() -> None:
    assert "timestamp" not in _parse(b'{"method":"GET"}')[0]  # type: ignore[operator]


def test_no_lines_give_no_answers() -> None:
    assert parse_lines([], _SETTINGS) == []


@given(st.lists(st.binary(max_size=5).filter(lambda b: b"\n" not in b), max_size=8), st.integers(1, 7), st.booleans())
def test_chunks_hold_the_lines_of_the_stream(lines: list[bytes], size: int, ends: bool) -> None:
    stream = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    pieces = iter([stream[i : i + size] for i in range(0, len(stream), size)])
    got = [line for chunk in read_chunks(lambda: next(pieces, b"")) for line in chunk]
    expected = stream.split(b"\n")
    assert got == (expected[:-1] if expected[-1] == b"" else expected)
