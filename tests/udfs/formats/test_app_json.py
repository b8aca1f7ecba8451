"""Logs of applications: which library wrote them, what they say, and when they are requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.udfs.formats.answers import answer, wrong_fields

_T, _S = "515d4554efb79e15d99494e6572c3bb7", "18b7aa1d364893f4"
_TIME = "2026-03-12T10:11:12.123Z"
_READ = "2026-03-12T10:11:12.123000Z"

_CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ecs, nested",
     {"@timestamp": _TIME, "ecs": {"version": "8.0.0"}, "event": {"duration": 1500000, "dataset": "nginx.access", "kind": "event"},
      "http": {"request": {"method": "GET", "id": "r1"}, "response": {"status_code": 404, "body": {"bytes": 9}}, "version": "1.1"},
      "url": {"original": "/x?q=1", "domain": "e.com"}, "source": {"ip": "203.0.113.9", "address": "203.0.113.9"},
      "user_agent": {"original": "curl"}, "service": {"name": "web", "environment": "prod"}, "trace": {"id": _T}, "span": {"id": _S},
      "host": {"name": "node-1", "ip": ["10.0.0.1"]}, "log": {"level": "info", "file": {"path": "/x"}}, "user": {"id": "u1"}},
     {"format": "ecs", "kind": "access", "timestamp": _READ, "duration_ms": 1.5, "http_request_method": "GET", "request_id": "r1",
      "http_response_status_code": 404, "http_response_body_size": 9, "url_path": "/x", "url_query": "q=1", "server_address": "e.com",
      "client_address": "203.0.113.9", "user_agent_original": "curl", "service_name": "web", "environment": "prod", "trace_id": _T,
      "span_id": _S, "k8s_pod_name": "node-1", "severity_text": "info", "user_id": "u1", "body": None}),
    ("ecs, dotted",
     {"@timestamp": _TIME, "ecs.version": "1.2.0", "log.level": "ERROR", "message": "boom", "service.name": "web", "trace.id": _T,
      "http.request.id": "r1", "process.thread.name": "main", "log.logger": "com.x"},
     {"format": "ecs", "kind": "log", "body": "boom", "severity_text": "ERROR", "service_name": "web", "trace_id": _T, "request_id": "r1"}),
    ("ecs, nested and dotted in one line",
     {"@timestamp": _TIME, "ecs": {"version": "1"}, "http.request": {"method": "GET"}, "http": {"response.status_code": 200},
      "url.path": "/a"},
     {"http_request_method": "GET", "http_response_status_code": 200, "url_path": "/a"}),
    ("pino-http",
     {"level": 30, "time": 1773310272123, "pid": 1, "hostname": "web-1",
      "req": {"id": "r1", "method": "GET", "url": "/a?b=c", "query": {}, "headers": {"host": "e.com", "user-agent": "curl",
       "x-forwarded-for": "203.0.113.9"},
              "remoteAddress": "::ffff:10.0.0.1", "remotePort": 1},
      "res": {"statusCode": 500, "headers": {"content-length": "17"}}, "responseTime": 12, "msg": "request errored"},
     {"format": "pino", "kind": "access", "timestamp": _READ, "severity_text": "INFO", "request_id": "r1", "http_request_method": "GET",
      "url_path": "/a", "url_query": "b=c", "http_response_status_code": 500, "duration_ms": 12.0, "http_response_body_size": 17,
      "server_address": "e.com", "user_agent_original": "curl", "k8s_pod_name": "web-1", "error_category": "backend"}),
    ("fastify, the answer alone", {"level": 30, "time": 1773310272123, "pid": 1, "hostname": "h", "reqId": "req-1",
     "res": {"statusCode": 200},
                                   "responseTime": 3.7, "msg": "request completed"},
     {"kind": "log", "request_id": "req-1", "duration_ms": 3.7, "body": "request completed", "http_response_status_code": 200}),
    ("pino, a message", {"level": 50, "time": 1773310272123, "pid": 1, "hostname": "h", "err": {"message": "x", "stack": "y"},
     "msg": "failed"},
     {"kind": "log", "severity_text": "ERROR", "body": "failed"}),
    ("bunyan",
     {"name": "shop", "hostname": "h", "pid": 1, "level": 40, "msg": "slow", "time": _TIME, "v": 0, "req_id": "r1"},
     {"format": "bunyan", "kind": "log", "service_name": "shop", "severity_text": "WARN", "request_id": "r1", "body": "slow"}),
    ("restify audit",
     {"name": "audit", "hostname": "h", "pid": 1, "audit": True, "level": 30, "remoteAddress": "203.0.113.9", "req_id": "r1",
      "req": {"method": "GET", "url": "/a", "headers": {"user-agent": "curl"}}, "res": {"statusCode": 200}, "latency": 15,
       "msg": "handled: 200",
      "time": _TIME, "v": 0},
     {"kind": "access", "duration_ms": 15.0, "http_response_status_code": 200, "client_address": "203.0.113.9", "request_id": "r1"}),
    ("winston", {"level": "warn", "message": "slow query", "timestamp": _TIME, "requestId": "r1", "service": "web"},
     {"kind": "log", "severity_text": "warn", "request_id": "r1", "service_name": "web"}),
    ("express-winston",
     {"level": "info", "message": "HTTP GET /a", "timestamp": _TIME,
      "meta": {"req": {"url": "/a?b", "method": "GET", "headers": {"host": "e.com"}}, "res": {"statusCode": 200}, "responseTime": 5}},
     {"kind": "access", "url_path": "/a", "url_query": "b", "http_response_status_code": 200, "duration_ms": 5.0,
      "server_address": "e.com"}),
    ("morgan", {"method": "GET", "url": "/a", "status": "304", "content-length": "-", "response-time": "1.234",
     "date": "12/Mar/2026:10:11:12 +0000"},
     {"kind": "access", "duration_ms": 1.234, "http_response_status_code": 304, "http_response_body_size": None}),
    ("logstash-logback-encoder",
     {"@timestamp": "2026-03-12T11:11:12.123+01:00", "@version": "1", "message": "stored", "logger_name": "c.e.Orders",
      "thread_name": "exec-3",
      "level": "INFO", "level_value": 20000, "traceId": _T, "spanId": _S, "requestId": "r1", "HOSTNAME": "h"},
     {"format": "logstash", "kind": "log", "timestamp": _READ, "body": "stored", "trace_id": _T, "span_id": _S, "request_id": "r1"}),
    ("logback, mdc", {"@timestamp": _TIME, "@version": "1", "message": "m", "level": "INFO", "mdc": {"traceId": _T, "requestId": "r1"}},
     {"trace_id": _T, "request_id": "r1"}),
    ("logback-access",
     {"@timestamp": _TIME, "@version": "1", "message": "x", "method": "GET", "protocol": "HTTP/1.1", "status_code": 200,
      "requested_url": "GET /a HTTP/1.1",
      "requested_uri": "/a", "remote_host": "203.0.113.9", "content_length": 10, "elapsed_time": 5},
     {"kind": "access", "url_path": "/a", "duration_ms": 5.0, "http_response_body_size": 10, "client_address": "203.0.113.9"}),
    ("logback 1.5", {"sequenceNumber": 0, "timestamp": 1773310272123, "nanoseconds": 1, "level": "INFO", "threadName": "main",
     "loggerName": "x",
                     "mdc": {"requestId": "r1"}, "formattedMessage": "hi"},
     {"kind": "log", "timestamp": _READ, "body": "hi", "request_id": "r1"}),
    ("log4j2, JsonLayout",
     {"instant": {"epochSecond": 1773310272, "nanoOfSecond": 123456789}, "thread": "main", "level": "ERROR", "loggerName": "x",
      "message": "boom",
      "contextMap": {"traceId": _T, "requestId": "r1"}},
     {"format": "log4j2", "timestamp": "2026-03-12T10:11:12.123456Z", "severity_text": "ERROR", "trace_id": _T, "request_id": "r1",
      "body": "boom"}),
    ("structlog", {"event": "user logged in", "level": "info", "timestamp": _TIME, "request_id": "r1", "user_id": 7},
     {"kind": "log", "body": "user logged in", "request_id": "r1", "user_id": "7"}),
    ("django-structlog", {"event": "request_finished", "request": "GET /a?b", "code": 200, "timestamp": _TIME, "request_id": "r1",
     "ip": "203.0.113.9"},
     {"kind": "access", "http_request_method": "GET", "url_path": "/a", "url_query": "b", "http_response_status_code": 200}),
    ("python-json-logger", {"asctime": "2026-03-12 10:11:12,123", "levelname": "WARNING", "name": "app.db", "message": "slow"},
     {"kind": "log", "timestamp": _READ, "severity_text": "WARNING", "body": "slow"}),
    ("serilog, compact",
     {"@t": "2026-03-12T10:11:12.1234567Z", "@mt": "HTTP {RequestMethod} {RequestPath}", "@r": ["1"], "RequestMethod": "GET",
      "RequestPath": "/a",
      "StatusCode": 200, "Elapsed": 4.5, "RequestId": "0HN:1", "@tr": _T, "@sp": _S},
     {"format": "serilog", "kind": "access", "timestamp": "2026-03-12T10:11:12.123456Z", "http_response_status_code": 200,
      "duration_ms": 4.5,
      "request_id": "0HN:1", "trace_id": _T, "span_id": _S, "severity_text": "Information"}),
    ("serilog, JsonFormatter",
     {"Timestamp": "2026-03-12T10:11:12.1230000+00:00", "Level": "Error", "MessageTemplate": "boom {X}", "RenderedMessage": "boom 1",
      "Properties": {"RequestId": "r1", "SourceContext": "x"}},
     {"format": "serilog", "kind": "log", "timestamp": _READ, "severity_text": "Error", "body": "boom 1", "request_id": "r1"}),
    ("zap", {"level": "info", "ts": 1773310272.123, "caller": "a.go:1", "msg": "/a", "status": 200, "method": "GET", "path": "/a",
     "latency": 0.0125},
     {"format": "zap", "kind": "access", "timestamp": _READ, "duration_ms": 12.5}),
    ("logrus", {"level": "error", "msg": "boom", "time": "2026-03-12T10:11:12Z", "request_id": "r1"}, {"kind": "log", "body": "boom"}),
    ("zerolog", {"level": "info", "time": 1773310272, "method": "GET", "url": "/a", "status": 200, "size": 12, "duration": 0.05,
     "message": "", "req_id": "r1"},
     {"kind": "access", "duration_ms": 0.05, "http_response_body_size": 12, "request_id": "r1"}),
    ("gelf", {"version": "1.1", "host": "h1", "short_message": "boom", "full_message": "..", "timestamp": 1773310272.123, "level": 3,
     "_request_id": "r1"},
     {"format": "gelf", "kind": "log", "timestamp": _READ, "severity_text": "ERROR", "k8s_pod_name": "h1", "request_id": "r1",
      "body": "boom"}),
    ("lograge", {"method": "GET", "path": "/a", "format": "html", "controller": "c", "action": "a", "status": 200, "duration": 79.5,
     "view": 1.0},
     {"kind": "access", "duration_ms": 79.5}),
    ("datadog", {"http": {"method": "GET", "status_code": 200, "url": "/a"}, "network": {"client": {"ip": "203.0.113.9"}},
     "dd": {"trace_id": "17"},
                 "date": _TIME, "message": "x"},
     {"kind": "access", "client_address": "203.0.113.9", "trace_id": "17"}),
    ("a state is no status", {"time": _TIME, "level": "info", "msg": "job done", "status": "ok", "duration": "a while", "size": "large"},
     {"kind": "log", "http_response_status_code": None, "duration_ms": None}),
    ("camel case, capitals, dashes",
     {"Timestamp": _TIME, "Method": "GET", "Path": "/a", "StatusCode": 200, "DurationMs": 5, "X-Request-ID": "r1", "UserAgent": "curl"},
     {"kind": "access", "http_response_status_code": 200, "duration_ms": 5.0, "request_id": "r1", "user_agent_original": "curl"}),
    ("a name of several texts", {"time": _TIME, "method": "GET", "path": "/a", "status": 200,
     "x_forwarded_for": ["203.0.113.9, 10.0.0.1", "10.0.0.2"]},
     {"client_address": "203.0.113.9"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), [pytest.param(line, expected, id=name) for name, line, expected in _CASES])
def test_line_gives_its_fields(line: dict[str, Any], expected: dict[str, Any]) -> None:
    assert not wrong_fields(line, expected)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1773310272, "2026-03-12T10:11:12.000000Z"), (1773310272.123, _READ), (1773310272123, _READ), (1773310272123000, _READ),
        (1773310272123000000, _READ), ("1773310272", "2026-03-12T10:11:12.000000Z"), ("1773310272.123", _READ), ("1773310272123", _READ),
        ("1773310272123456789", "2026-03-12T10:11:12.123456Z"), ("2026-03-12T10:11:12.123Z", _READ),
         ("2026-03-12T12:11:12.123+02:00", _READ),
        ("2026-03-12T12:11:12.123+0200", _READ), ("2026-03-12 10:11:12.123", _READ), ("2026-03-12T10:11:12,123Z", _READ),
        ("2026-03-12T10:11:12.123456789Z", "2026-03-12T10:11:12.123456Z"), ("12/Mar/2026:10:11:12 +0000", "2026-03-12T10:11:12.000000Z"),
        ("[12/Mar/2026:10:11:12 +0000]", "2026-03-12T10:11:12.000000Z"), ("Thu, 12 Mar 2026 10:11:12 GMT", "2026-03-12T10:11:12.000000Z"),
        ("2026/03/12 10:11:12.123", _READ),
    ],
)  # fmt: skip
def test_time_of_any_writing_is_read_alone_and_among_others(value: object, read: str) -> None:
    assert answer({"time": value, "msg": "x"})["timestamp"] == read
    others = [
        {"category": "c", "time": time, "properties": {}, "resultDescription": "x"}
        for time in (_TIME, value, None, 1773310272.5, "1773310272123")
    ]
    assert answer({"records": others})["events"][1]["timestamp"] == read


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"method": "GET", "path": "/a", "status": "abc"}, "invalid_status"),
        ({"method": "GET", "path": "/a", "status": 999}, "invalid_status"),
        ({"method": "GET", "path": "/a", "status": 200, "duration": "fast"}, "invalid_duration"),
        ({"http_request_method": "GET", "url_path": {"a": 1}}, "invalid_path"),
        ({"http_request_method": 5, "url_path": "/a"}, "invalid_method"),
        ({"time": "2026-02-31T00:00:00Z", "msg": "x"}, "invalid_timestamp"),
        ({"duration_ms": -5, "msg": "x"}, "invalid_duration"),
        ({"a": 1}, "unknown_format"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(line: dict[str, Any], reason: str) -> None:
    assert answer(line)["error"]["reason"] == reason


def test_keys_without_letters_are_not_walked_into_for_ever() -> None:
    value: dict[str, Any] = {}
    for _ in range(300):
        value = {"_": value}
    assert answer({"http": value, "msg": "x"})["body"] == "x"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90"),
        ("X-Amzn-Trace-Id", "Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=e457b5a2e4d86bd1"),
        ("http_x_amzn_trace_id", "Root=1-80f198ee-56343ba864fe8b2a57d3eff7"),
        ("x-cloud-trace-context", "80f198ee56343ba864fe8b2a57d3eff7/1;o=1"),
        ("http_traceparent", "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01"),
        ("uber-trace-id", "80f198ee56343ba864fe8b2a57d3eff7:e457b5a2e4d86bd1:0:1"),
    ],
)
def test_a_trace_header_of_any_kind_is_the_trace(key: str, value: str) -> None:
    line = {"time": "2026-01-01T00:00:00Z", "method": "GET", "path": "/", "status": 200, key: value}
    assert wrong_fields(line, {"trace_id": "80f198ee56343ba864fe8b2a57d3eff7"}) == {}
