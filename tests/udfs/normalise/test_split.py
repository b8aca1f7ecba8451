from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from udfs.normalise.split import split_lines


def _split(values: list[bytes | None]) -> list[tuple[int, bytes]]:
    lines = split_lines(pa.array(values, pa.binary()))
    return list(zip(lines.record.tolist(), lines.text.to_pylist(), strict=True))


def test_records_split_at_newlines_only() -> None:
    assert _split([b"a\x0b\x85b\nc\rd\n", b"e"]) == [(0, b"a\x0b\x85b"), (0, b"c\rd"), (1, b"e")]


def test_carriage_return_belongs_to_the_line_end() -> None:
    assert _split([b"a\r\nb\r\n", b"c\r"]) == [(0, b"a"), (0, b"b"), (1, b"c")]


def test_null_and_empty_records_are_heartbeats_without_lines() -> None:
    assert _split([None, b"", b"x", None]) == [(2, b"x")]


def test_empty_lines_are_lines() -> None:
    assert _split([b"\n", b"a\n\nb", b"\r\n"]) == [(0, b""), (1, b"a"), (1, b""), (1, b"b"), (2, b"")]


@given(
    st.lists(st.one_of(st.none(), st.lists(st.sampled_from([b"\n", b"\r", b"a", b"bc", b"\xff"]), max_size=6).map(b"".join)), max_size=6)
)
def test_splitting_agrees_with_python(values: list[bytes | None]) -> None:
    expected = []
    for record, value in enumerate(values):
        if value:
            body = value[:-1] if value.endswith(b"\n") else value
            expected += [(record, line[:-1] if line.endswith(b"\r") else line) for line in body.split(b"\n")]
    assert _split(values) == expected
