from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.udfs.formats.otlp_messages import any_value, logs, metrics, pairs, traces
from tests.udfs.raw_records import raw_records
from udfs.formats.otlp_protobuf import as_json, read_export
from udfs.formats.values.protobuf_fields import WireFields
from udfs.normalise import normalise

_START = 1_776_000_000_000_000_000
_keys = st.sampled_from(
    ["http.request.method", "url.path", "http.target", "http.response.status_code", "client.address", "user_agent.original", "x" * 140, "é"]
)
_scalars = st.one_of(
    st.text(max_size=6), st.text("ab/", min_size=120, max_size=300), st.integers(-(2**63), 2**63 - 1), st.integers(100, 599), st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False), st.binary(max_size=3), st.none(),
)  # fmt: skip
_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_keys, inner, max_size=2), max_leaves=4)
_attributes = st.dictionaries(_keys, _values, max_size=6)
_times = st.one_of(st.integers(_START, _START + 10**12), st.sampled_from([0, 1, 2**63, 2**64 - 1]))
_trace_ids = st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from([b"", bytes(16), b"abc", b"0123456789abcdef"]))
_span_ids = st.one_of(st.binary(min_size=8, max_size=8), st.sampled_from([b"", bytes(8), b"12345678"]))
_texts = st.sampled_from(["", "-", "GET /a", "ä", "x" * 200])
_spans = st.builds(
    lambda attributes, code, flags, events, **fields: trace_pb2.Span(
        attributes=pairs(attributes),
        status=trace_pb2.Status(code=code, message="x" * code),
        flags=flags,
        events=[trace_pb2.Span.Event(name="e")] * events,
        **fields,
    ),
    attributes=_attributes, code=st.integers(0, 2), flags=st.sampled_from([0, 257]), events=st.integers(0, 2), trace_id=_trace_ids,
    span_id=_span_ids, parent_span_id=_span_ids, name=_texts, kind=st.integers(0, 5), start_time_unix_nano=st.integers(_START, _START + 9),
    end_time_unix_nano=_times,
)  # fmt: skip
_logs = st.builds(
    lambda attributes, body, **fields: logs_pb2.LogRecord(attributes=pairs(attributes), body=any_value(body), **fields),
    attributes=_attributes, body=_values, trace_id=_trace_ids, span_id=_span_ids, severity_text=_texts, severity_number=st.integers(1, 24),
    time_unix_nano=_times, observed_time_unix_nano=_times,
)  # fmt: skip
_exports = st.one_of(st.lists(_spans, min_size=1, max_size=4).map(traces), st.lists(_logs, min_size=1, max_size=4).map(logs))


def _json(export: Message) -> bytes:
    return json.dumps(as_json(export)).encode()


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_exports, st.sampled_from([b"\n", b"a b\nc", b"\n\nx", b'{"a":1}'])), min_size=1, max_size=4))
def test_an_export_gives_the_same_rows_in_both_encodings(records: list[Message | bytes]) -> None:
    in_json = normalise(raw_records([r if isinstance(r, bytes) else _json(r) for r in records]))
    in_protobuf = normalise(raw_records([r if isinstance(r, bytes) else r.SerializeToString() for r in records]))
    assert _rows(in_protobuf.events) == _rows(in_json.events)
    assert _rows(in_protobuf.metric_points) == _rows(in_json.metric_points)
    wanted, found = _rows(in_json.dead_letters), _rows(in_protobuf.dead_letters)
    for letter in [*wanted, *found]:  # the same record, its keys in another order
        letter["detail"] = sorted(letter["detail"][:9])
        letter["original"] = json.loads(letter["original"]) if letter["original"][:1] == b"{" else letter["original"]
    assert found == wanted


def test_metrics_give_the_same_points_in_both_encodings() -> None:
    point = metrics_pb2.NumberDataPoint(time_unix_nano=_START, as_int=3, attributes=pairs({"state": "used"}))
    export = metrics([metrics_pb2.Metric(name="memory", gauge=metrics_pb2.Gauge(data_points=[point]))])
    (row,) = _rows(normalise(raw_records([export.SerializeToString()])).metric_points)
    assert row == _rows(normalise(raw_records([_json(export)])).metric_points)[0]
    assert (row["entity_kind"], row["entity"], row["metric"], row["value"]) == ("host", "cart-1", "memory{state=used}", 3.0)


def test_an_export_with_line_ends_in_it_stays_whole_among_lines() -> None:
    span = trace_pb2.Span(trace_id=b"\n" * 16, span_id=b"\n" * 8, name="a\nb\n", start_time_unix_nano=_START, end_time_unix_nano=_START)
    out = normalise(raw_records([b"one\ntwo", traces([span, span]).SerializeToString(), b"three"]))
    assert [(row["offset"], row["line_index"], row["span_name"]) for row in _rows(out.events)] == [(1, 0, "a\nb\n"), (1, 1, "a\nb\n")]
    assert [(row["offset"], row["line_index"]) for row in _rows(out.dead_letters)] == [(0, 0), (0, 1), (2, 0)]


def test_fields_of_later_versions_and_other_orders_are_read_past() -> None:
    span = trace_pb2.Span(trace_id=bytes(range(16)), span_id=bytes(range(8)), name="a", start_time_unix_nano=_START)
    unknown = b"\xa2\x1f\x03abc\x98\x1f\x07"  # fields 500 and 499
    twice = trace_pb2.Span(name="b", end_time_unix_nano=_START + 2_000_000).SerializeToString()
    whole = span.SerializeToString() + unknown + twice
    message = _nested(_nested(_nested(whole, 0x12), 0x12), 0x0A)
    (event,) = _rows(normalise(raw_records([message])).events)
    assert (event["span_name"], event["duration_ms"], event["trace_id"]) == ("b", 2.0, bytes(range(16)).hex())


def test_a_record_that_is_no_message_is_refused_alone() -> None:
    good = trace_pb2.Span(trace_id=b"\xff" * 16, span_id=b"\xff" * 8, name="a", start_time_unix_nano=_START).SerializeToString()
    message = _nested(_nested(_nested(good, 0x12) + _nested(good[:-3], 0x12) + _nested(good, 0x12), 0x12), 0x0A)
    out = normalise(raw_records([message]))
    assert [row["line_index"] for row in _rows(out.events)] == [0, 2]
    (letter,) = _rows(out.dead_letters)
    assert (letter["line_index"], letter["original"]) == (1, good[:-3])


def test_an_export_without_records_is_an_empty_answer() -> None:
    out = normalise(raw_records([traces([]).SerializeToString()]))
    assert not out.events.num_rows
    assert not out.dead_letters.num_rows


@settings(max_examples=300)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60).map(lambda text: ("\n" + text).encode()))
def test_no_text_is_taken_for_a_message(record: bytes) -> None:
    assert read_export(record) is None


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_message_cut_short_is_no_message(cut: int) -> None:
    span = trace_pb2.Span(trace_id=b"\xff" * 16, span_id=b"\xff" * 8, name="a" * 40, start_time_unix_nano=_START)
    assert read_export(traces([span]).SerializeToString()[:-cut]) is None


def test_a_long_message_among_short_ones_is_read_to_its_end() -> None:
    long = trace_pb2.Span(
        name="last", attributes=pairs({f"key{i}": i for i in range(300)} | {"url.path": "/a"}), start_time_unix_nano=_START
    )
    short = trace_pb2.Span(name="first", start_time_unix_nano=_START)
    rows = _rows(normalise(raw_records([traces([short, long]).SerializeToString()])).events)
    assert [(row["span_name"], row["url_path"]) for row in rows] == [("first", None), ("last", "/a")]


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=8))
def test_fields_of_any_bytes_lie_within_them(messages: list[bytes]) -> None:
    import numpy as np

    ends = np.cumsum([len(message) for message in messages])
    fields = WireFields(np.frombuffer(b"".join(messages) + bytes(16), np.uint8), np.r_[0, ends[:-1]], ends)
    assert (fields.end <= ends[fields.row]).all()
    assert (fields.start <= fields.end).all()


def _nested(inner: bytes, tag: int) -> bytes:
    size, length = len(inner), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + inner
