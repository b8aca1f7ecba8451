from __future__ import annotations

import struct

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.udfs.raw_records import raw_records
from udfs.formats.remote_write import read_remote_write
from udfs.normalise import normalise

_TIME_MS = 1_776_000_000_000


def _varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def _field(tag: int, inner: bytes) -> bytes:
    return bytes([tag]) + _varint(len(inner)) + inner


def _request(*series: tuple[dict[str, str], list[float]]) -> bytes:
    message = b""
    for labels, values in series:
        inner = b"".join(_field(0x0A, _field(0x0A, name.encode()) + _field(0x12, value.encode())) for name, value in labels.items())
        for i, value in enumerate(values):
            inner += _field(0x12, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(_TIME_MS + i * 1000))
        message += _field(0x0A, inner)
    return pa.Codec("snappy").compress(message, asbytes=True)  # type: ignore[no-any-return]


def test_a_request_becomes_points_of_its_series() -> None:
    labels = {"__name__": "http_requests_total", "code": "200", "env": "prod", "instance": "web-1:9090", "job": "web"}
    gauge = {"__name__": "queue_length", "service": "mail", "description": "x" * 200}
    out = normalise(raw_records([_request((labels, [1.0, 2.0]), (gauge, [float("nan"), 7.0])), b"a line"]))
    rows = out.metric_points.to_pylist()
    assert [(row["line_index"], row["entity_kind"], row["entity"], row["value"], row["is_cumulative"]) for row in rows] == [
        (0, "host", "web-1:9090", 1.0, True),
        (1, "host", "web-1:9090", 2.0, True),
        (2, "service", "mail", 7.0, False),
    ]
    assert rows[0]["metric"] == "http_requests_total{code=200}"
    assert (rows[0]["environment"], rows[0]["source"], int(rows[0]["time"].timestamp() * 1000)) == ("prod", "prometheus", _TIME_MS)
    assert out.dead_letters["offset"].to_pylist() == [1]


@given(st.binary(max_size=80))
def test_any_bytes_are_a_request_or_none(record: bytes) -> None:
    found = read_remote_write(record)
    assert found is None or isinstance(found, list)


@given(st.text(min_size=1, max_size=60))
def test_texts_are_no_requests(text: str) -> None:
    assert not read_remote_write(text.encode())
