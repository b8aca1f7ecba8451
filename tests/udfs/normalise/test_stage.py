from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import DEAD_LETTER, EVENT, METRIC_POINT
from tests.udfs.raw_records import ARRIVAL_MS, raw_records
from udfs.formats.values.categories import category_of_status
from udfs.formats.values.quantities import duration_ms, status_code
from udfs.formats.values.times import time_us
from udfs.hashing import hash_strings, hex_ids
from udfs.normalise import NormaliseOut, NormaliseSettings, normalise

_SPANS = [
    {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "a",
        "kind": 2,
        "startTimeUnixNano": start,
        "endTimeUnixNano": "1776000000001000000",
    }
    for number, start in ((1, "1776000000000000000"), (2, "-5"), (3, "1776000000000000000"))
]
_METRIC = {"name": "cpu", "gauge": {"dataPoints": [{"timeUnixNano": "1776000000000000000", "asInt": "3"}]}}
_EXPORT = json.dumps(
    {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
                "scopeSpans": [{"spans": _SPANS}],
            }
        ],
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [_METRIC]}]}],
    }
).encode()
_OTLP_KEYS = [
    "resourceSpans",
    "scopeSpans",
    "spans",
    "resourceMetrics",
    "scopeMetrics",
    "metrics",
    "gauge",
    "dataPoints",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    "attributes",
    "key",
    "value",
    "stringValue",
    "traceId",
    "timestamp",
    "http",
    "status",
    "kind",
    "body",
    "histogram",
    "count",
    "sum",
    "asInt",
    "name",
    "url_path",
]
_LINES = (
    b'{"timestamp":"2026-03-12T10:11:12.123456Z","http_request_method":"GET","url_path":"/v1/users/17","http_response_status_code":200,'
    b'"duration_ms":1.5,"request_id":"r1","trace_id":"515d4554efb79e15d99494e6572c3bb7"}',
    b'{"ts":1776000000123,"method":"POST","path":"/a?token=x","status":"503","latency_ms":"12","service":{"name":"web"}}',
    b'{"time":"2026-03-12T10:11:12Z","level":"error","msg":"no route"}',
    b'{"time_iso8601":"2026-03-12T10:11:12+02:00","remote_addr":"1.2.3.4","request":"GET /a HTTP/1.1","status":404,"request_time":0.047}',
    b'203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a?b=c HTTP/1.1" 200 5 "-" "curl"',
    b'[2026-03-12T10:11:12.123Z] "GET /a HTTP/2" 200 - 0 512 47 45 "203.0.113.9" "curl" "r1" "api.example.com" "10.42.0.9:8080"',
    b'2026-03-12T10:11:12.123456Z lb 203.0.113.9:2817 10.0.0.1:80 0.1 0.1 0.1 200 200 0 29 "GET http://e.com:80/ HTTP/1.1" "curl" - -',
    b'{"timestamp":"2026-02-31T10:11:12Z","method":"GET"}',
    b'{"method":"GET","status":999}',
    b"garbage",
    b"\xff\xfe",
    b"[1,2]",
    b"",
    b"{",
    _EXPORT,
)
_RECORDS = st.one_of(st.none(), st.lists(st.sampled_from(_LINES), max_size=3).map(b"\n".join))


def _concat(outs: Sequence[NormaliseOut]) -> NormaliseOut:
    return NormaliseOut(*(pa.concat_tables(tables) for tables in zip(*outs, strict=True)))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: (row["partition"], row["offset"], row["line_index"]))


@given(st.lists(_RECORDS, max_size=6), st.integers(0, 6))
def test_batch_split_changes_nothing(values: list[bytes | None], cut: int) -> None:
    raw = raw_records(values)
    parts = _concat([normalise(raw.slice(0, cut)), normalise(raw.slice(cut))])
    for whole, part in zip(normalise(raw), parts, strict=True):
        assert whole.to_pylist() == part.to_pylist()


@given(st.lists(_RECORDS, max_size=5), st.randoms(use_true_random=False))
def test_order_of_records_changes_nothing(values: list[bytes | None], random: Any) -> None:
    raw = raw_records(values)
    order = list(range(len(values)))
    random.shuffle(order)
    for straight, shuffled in zip(normalise(raw), normalise(raw.take(pa.array(order, pa.int64()))), strict=True):
        assert _rows(straight) == _rows(shuffled)


@given(st.lists(_RECORDS, max_size=5))
def test_outputs_have_their_schemas_and_unique_places(values: list[bytes | None]) -> None:
    out = normalise(raw_records(values))
    assert out.events.schema.equals(EVENT.arrow)
    assert out.metric_points.schema.equals(METRIC_POINT.arrow)
    assert out.dead_letters.schema.equals(DEAD_LETTER.arrow)
    places = [(row["offset"], row["line_index"]) for table in out for row in table.select(["offset", "line_index"]).to_pylist()]
    assert len(places) == len(set(places))


@given(st.lists(st.lists(st.sampled_from(_LINES[:-1]), min_size=1, max_size=4), max_size=4))
def test_each_line_becomes_one_event_or_one_dead_letter(records: list[list[bytes]]) -> None:
    out = normalise(raw_records([b"\n".join(lines) + b"\n" for lines in records]))
    assert out.events.num_rows + out.dead_letters.num_rows == sum(map(len, records))
    got = {(row["offset"], row["line_index"]) for table in (out.events, out.dead_letters) for row in table.to_pylist()}
    assert got == {(offset, index) for offset, lines in enumerate(records) for index in range(len(lines))}
    for row in out.dead_letters.to_pylist():
        assert row["original"] == records[row["offset"]][row["line_index"]]
        assert row["reason"]


def test_input_is_not_changed() -> None:
    raw = raw_records(list(_LINES))
    before = raw.to_pylist()
    normalise(raw)
    assert raw.to_pylist() == before


@pytest.mark.parametrize("values", [[], [None], [b""], [b"", None]])
def test_nothing_in_gives_nothing_out(values: list[bytes | None]) -> None:
    assert [table.num_rows for table in normalise(raw_records(values))] == [0, 0, 0, 0]


def test_records_of_an_export_are_numbered_through_and_bad_ones_refused_alone() -> None:
    out = normalise(raw_records([b"garbage\n" + _EXPORT + b"\n" + _LINES[0]]))
    assert out.events["line_index"].to_pylist() == [1, 3, 5]
    assert out.metric_points["line_index"].to_pylist() == [4]
    assert out.dead_letters["line_index"].to_pylist() == [0, 2]
    refused = out.dead_letters.to_pylist()[1]
    assert refused["reason"] == "invalid_timestamp"
    assert json.loads(refused["original"])["spanId"] == f"{2:016x}"


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "timestamp": st.sampled_from(["2026-03-12T10:11:12Z", "2026-02-30T00:00:00Z", 1776000000, 1776000000.5, None, "x", ""]),
                "http_response_status_code": st.sampled_from([200, "404", 999, None, "-", 0, True, 500.0]),
                "duration_ms": st.sampled_from([1, 2.5, "3", -1, None, "4ms", False]),
                "url_path": st.sampled_from(["/a/1", "/b?c=d", None, 7, ["/x"], {"a": 1}]),
                "http_request_method": st.sampled_from(["GET", None]),
                "request_id": st.sampled_from(["r1", "", None, 5]),
                "unknown": st.sampled_from([1, {"a": [1]}, None]),
            },
        ),
        max_size=8,
    )
)
def test_json_lines_agree_with_a_plain_row_wise_reader(objects: list[dict[str, Any]]) -> None:
    out = normalise(raw_records([json.dumps(o).encode() for o in objects]))
    events = {row["offset"]: row for row in out.events.to_pylist()}
    for offset, value in enumerate(objects):
        try:
            plain = _plain(value)
        except ValueError:
            plain = None
        if plain is None:
            assert offset not in events
        else:
            assert {name: events[offset][name] for name in plain} == plain
            assert int(events[offset]["timestamp"].timestamp() * 1e6) == (time_us(value.get("timestamp")) or ARRIVAL_MS * 1000)


def _plain(value: dict[str, Any]) -> dict[str, Any] | None:
    """The row-wise twin: one object, no columns. None = not an event."""
    time_us(value.get("timestamp"))
    status = status_code(value.get("http_response_status_code"))
    duration = duration_ms(value.get("duration_ms"))
    target = value.get("url_path")
    if isinstance(target, (int, dict)):
        raise ValueError("no path")
    if isinstance(target, list):
        target = target[0]
    target = json.dumps(target, separators=(",", ":")) if isinstance(target, dict) else None if target is None else str(target)
    path, _, query = (target or "").partition("?")
    method = value.get("http_request_method")
    if not method and not path and status is None:
        return None
    request_id = "" if value.get("request_id") is None else str(value["request_id"])
    return {
        "kind": "access",
        "http_request_method": method,
        "url_path": path or None,
        "url_query": query or None,
        "http_response_status_code": status,
        "duration_ms": duration,
        "request_id": request_id,
        "error_category": category_of_status(status),
        "http_route": {"/a/1": "/a/{id}"}.get(path, path),
    }


@given(st.sampled_from(_LINES), st.data())
def test_mutated_lines_never_crash_and_lose_nothing(line: bytes, data: st.DataObject) -> None:
    mutated = bytearray(line or b"x")
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        mutated[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        mutated = mutated or bytearray(b"x")
    record = bytes(mutated).replace(b"\n", b" ").replace(b"\r", b" ")
    out = normalise(raw_records([record, _LINES[0]]))
    assert 1 in out.events["offset"].to_pylist()
    if b"resource" not in record:
        assert out.events.num_rows + out.dead_letters.num_rows == 2


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_OTLP_KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(_ANY_JSON)
def test_json_of_any_shape_never_crashes(value: Any) -> None:
    normalise(raw_records([json.dumps(value).encode()]))
    if isinstance(value, (dict, list)):
        normalise(raw_records([json.dumps({name: value for name in ("resourceSpans", "resourceLogs", "resourceMetrics")}).encode()]))


def test_joining_identity_is_request_id_then_trace_id_then_the_place() -> None:
    lines = [
        b'{"method":"GET","request_id":"r1","trace_id":"515d4554efb79e15d99494e6572c3bb7"}',
        b'{"method":"GET","trace_id":"515d4554efb79e15d99494e6572c3bb7"}',
        b'{"method":"GET"}',
        b'{"message":"alone"}',
        b'{"message":"together","request_id":"r1"}',
    ]
    events = normalise(raw_records(lines)).events
    ids = pa.array(["r1", "515d4554efb79e15d99494e6572c3bb7", "raw/0/2/0", "raw/0/3/0", "r1"])
    low = hash_strings(ids, 1)
    expected = hex_ids(hash_strings(ids, 0), low).to_pylist()
    expected[3] = ""
    assert events["transaction_id"].to_pylist() == expected
    assert events["transaction_hash"].to_pylist() == low.tolist()


def test_secrets_are_masked_unless_told_otherwise() -> None:
    line = b'{"method":"GET","path":"/a?access_token=abc","user_agent":"x Bearer abcdefghij"}'
    (event,) = normalise(raw_records([line])).events.to_pylist()
    assert (event["url_query"], event["user_agent_original"]) == ("access_token=REDACTED", "x Bearer REDACTED")
    (event,) = normalise(raw_records([line]), NormaliseSettings(redact=False)).events.to_pylist()
    assert event["url_query"] == "access_token=abc"


def test_own_keys_of_a_user_go_before_the_built_in_ones() -> None:
    line = b'{"when":1776000000,"verb":"GET","method":"ignored","took":0.5,"a":{"b":"/x"},"status":200}'
    mapping = {"when": "timestamp", "verb": "http_request_method", "took": "duration_s", "a.b": "url_path"}
    (event,) = normalise(raw_records([line]), NormaliseSettings(field_mapping=mapping)).events.to_pylist()
    assert (event["http_request_method"], event["duration_ms"], event["url_path"]) == ("GET", 500.0, "/x")
    assert event["timestamp"].timestamp() == 1776000000


def test_lines_that_are_too_long_are_dead_letters() -> None:
    settings = NormaliseSettings(max_text_bytes=10, max_json_bytes=30)
    out = normalise(raw_records([b"x" * 11, b'{"method":"GET","path":"/%s"}' % (b"a" * 30), b'{"method":"GET"}']), settings)
    assert out.dead_letters["reason"].to_pylist() == ["too_long", "too_long"]
    assert out.events.num_rows == 1


def test_logged_category_counts_where_it_is_one_of_ours() -> None:
    lines = [
        b'{"method":"GET","status":500,"error_category":"timeout"}',
        b'{"method":"GET","status":500,"error_category":"E17"}',
        b'{"method":"GET","error_category":"E17"}',
    ]
    assert normalise(raw_records(lines)).events["error_category"].to_pylist() == ["timeout", "backend", ""]
