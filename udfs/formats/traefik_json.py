"""Traefik access logs as JSON: https://doc.traefik.io/traefik/observability/access-logs/ ("JSON fields").

`Duration` is nanoseconds, `StartUTC` the start; headers are kept as `request_<Name>`.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["TRAEFIK_JSON"]

TRAEFIK_JSON = Dialect(
    "traefik_json",
    (
        frozenset({"DownstreamStatus", "Duration"}),
        frozenset({"ClientAddr", "RequestMethod"}),
        frozenset({"ClientHost", "RequestMethod"}),
        frozenset({"DownstreamStatus", "RequestPath"}),
        frozenset({"RequestPath", "RouterName"}),
        frozenset({"RequestLine", "DownstreamStatus"}),
    ),
    {
        "StartUTC": "timestamp",
        "StartLocal": "timestamp",
        "time": "timestamp",
        "RequestMethod": "http_request_method",
        "RequestPath": "url_path",
        "RequestLine": "request",
        "DownstreamStatus": "http_response_status_code",
        "Duration": "duration_ns",
        "DownstreamContentSize": "http_response_body_size",
        "ClientHost": "client_address",
        "ClientAddr": "client_address",
        "request_X-Forwarded-For": "forwarded_for",
        "request_User-Agent": "user_agent_original",
        "request_Authorization": "token",
        "RequestHost": "server_address",
        "RequestAddr": "server_address",
        "request_X-Request-Id": "request_id",
        "downstream_X-Request-Id": "request_id",
        "request_X-Correlation-Id": "request_id",
        "ServiceName": "service_name",
        "TraceId": "trace_id",
        "request_Traceparent": "trace_id",
        "SpanId": "span_id",
        "ClientUsername": "user_id",
        "OriginStatus": "upstream_status",
    },
    is_access=True,
)
