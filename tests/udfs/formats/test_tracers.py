"""Zipkin and Jaeger spans. The samples are those of the tools' own documentation."""

from __future__ import annotations

import json
from typing import Any

from tests.udfs.raw_records import raw_records
from udfs.normalise import normalise

# https://zipkin.io/pages/data_model.html
_ZIPKIN = {
    "traceId": "5982fe77008310cc80f1da5e10147517",
    "name": "get",
    "id": "bd7a977555f6b982",
    "parentId": "ebf33e1a81dc6f71",
    "kind": "SERVER",
    "timestamp": 1458702548467000,
    "duration": 386000,
    "localEndpoint": {"serviceName": "zipkin-query", "ipv4": "192.168.1.2", "port": 9411},
    "remoteEndpoint": {"ipv4": "10.1.2.3", "port": 3000},
    "tags": {"http.method": "GET", "http.path": "/api/v2/traces", "http.status_code": "503", "error": "true", "environment": "prod"},
}
_REFERENCE = {"refType": "CHILD_OF", "traceID": "3c6cb3e1fb4b4d5", "spanID": "3c6cb3e1fb4b4d5"}
_JAEGER = {
    "traceID": "3c6cb3e1fb4b4d5",
    "spanID": "78a9eb0bb8a37a51",
    "operationName": "HTTP GET /dispatch",
    "references": [{**_REFERENCE, "refType": "FOLLOWS_FROM", "spanID": "1"}, _REFERENCE],
    "startTime": 1585244579835187,
    "duration": 1098,
    "tags": [
        {"key": "span.kind", "type": "string", "value": "server"},
        {"key": "http.method", "type": "string", "value": "GET"},
        {"key": "http.url", "type": "string", "value": "/dispatch?customer=392"},
        {"key": "http.status_code", "type": "int64", "value": 200},
        {"key": "error", "type": "bool", "value": True},
    ],
    "processID": "p1",
}
_PROCESS = {"serviceName": "frontend", "tags": [{"key": "hostname", "type": "string", "value": "host-1"}]}
# model.Span by protobuf's JSON, as the OpenTelemetry Collector's jaeger_json encoding writes it
_PROTOBUF = {
    "traceId": "AAAAAAAAAAADxssz4ftLTQ==",
    "spanId": "eKnrC7ijelE=",
    "operationName": "GET /a",
    "references": [{"traceId": "AAAAAAAAAAADxssz4ftLTQ==", "spanId": "AAAAAAAAAAE="}],
    "startTime": "2020-03-26T17:42:59.835187Z",
    "duration": "0.001098s",
    "tags": [{"key": "http.status_code", "vType": "INT64", "vInt64": "404"}, {"key": "http.method", "vStr": "GET"}],
    "process": {"serviceName": "frontend"},
}


def _events(*values: Any) -> list[dict[str, Any]]:
    out = normalise(raw_records([json.dumps(value).encode() for value in values]))
    assert not out.dead_letters.num_rows, out.dead_letters.to_pylist()
    rows: list[dict[str, Any]] = out.events.to_pylist()
    return rows


def test_a_zipkin_span_becomes_an_event() -> None:
    (event,) = _events(_ZIPKIN)
    wanted = {
        "kind": "span", "format": "zipkin", "service_name": "zipkin-query", "environment": "prod", "span_name": "get",
        "span_kind": "server",
        "trace_id": "5982fe77008310cc80f1da5e10147517", "span_id": "bd7a977555f6b982", "parent_span_id": "ebf33e1a81dc6f71",
        "duration_ms": 386.0, "http_request_method": "GET", "url_path": "/api/v2/traces", "http_response_status_code": 503,
        "error_category": "backend", "client_address": "10.1.2.3",
    }  # fmt: skip
    assert {name: event[name] for name in wanted} == wanted
    assert event["timestamp"].isoformat() == "2016-03-23T03:09:08.467000+00:00"


def test_zipkin_reports_arrays_of_spans() -> None:
    other = {**_ZIPKIN, "id": "1", "traceId": "80f1da5e10147517"}
    events = _events([_ZIPKIN, other])
    assert [(event["line_index"], event["span_id"]) for event in events] == [(0, "bd7a977555f6b982"), (1, "0000000000000001")]
    assert events[1]["trace_id"] == "000000000000000080f1da5e10147517"


def test_a_zipkin_span_with_a_bad_time_is_refused_alone() -> None:
    out = normalise(raw_records([json.dumps([_ZIPKIN, {**_ZIPKIN, "timestamp": -5}]).encode()]))
    assert out.events["line_index"].to_pylist() == [0]
    assert out.dead_letters["reason"].to_pylist() == ["invalid_timestamp"]


def test_a_jaeger_answer_becomes_its_spans() -> None:
    trace = {"traceID": "3c6cb3e1fb4b4d5", "spans": [_JAEGER], "processes": {"p1": _PROCESS}, "warnings": None}
    for value in ({"data": [trace], "total": 0, "limit": 0, "offset": 0, "errors": None}, trace):
        (event,) = _events(value)
        wanted = {
            "kind": "span", "format": "jaeger", "service_name": "frontend", "k8s_pod_name": "host-1", "span_name": "HTTP GET /dispatch",
            "trace_id": "0" * 17 + "3c6cb3e1fb4b4d5", "span_id": "78a9eb0bb8a37a51", "parent_span_id": "03c6cb3e1fb4b4d5",
            "duration_ms": 1.098, "url_path": "/dispatch", "url_query": "customer=392", "error_category": "backend", "span_kind": "server",
        }  # fmt: skip
        assert {name: event[name] for name in wanted} == wanted


def test_a_single_jaeger_span_of_a_kafka_exporter_becomes_an_event() -> None:
    (event,) = _events(_PROTOBUF)
    wanted = {
        "service_name": "frontend", "trace_id": "00000000000000000" + "3c6cb33e1fb4b4d", "span_id": "78a9eb0bb8a37a51",
        "parent_span_id": "0000000000000001", "duration_ms": 1.098, "http_response_status_code": 404, "error_category": "validation",
    }  # fmt: skip
    assert {name: event[name] for name in wanted} == wanted
    assert event["timestamp"].isoformat() == "2020-03-26T17:42:59.835187+00:00"


def test_any_array_of_objects_is_read_object_by_object() -> None:
    events = _events([{"time": "2026-01-01T00:00:00Z", "method": "GET", "path": "/a", "status": 200}] * 2)
    assert [event["line_index"] for event in events] == [0, 1]
