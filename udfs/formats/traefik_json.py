"""Traefik access logs as JSON: https://doc.traefik.io/traefik/observability/access-logs/. `Duration` is nanoseconds."""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["TRAEFIK_JSON"]

TRAEFIK_JSON = Dialect(
    "traefik_json",
    (
        frozenset({"ClientAddr", "RequestMethod"}),
        frozenset({"DownstreamStatus", "Duration"}),
        frozenset({"RequestPath", "RouterName"}),
    ),
    {
        "StartUTC": "timestamp",
        "time": "timestamp",
        "RequestMethod": "http_request_method",
        "RequestPath": "url_path",
        "DownstreamStatus": "http_response_status_code",
        "Duration": "duration_ns",
        "DownstreamContentSize": "http_response_body_size",
        "ClientHost": "client_address",
        "ClientAddr": "client_address",
        "request_User-Agent": "user_agent_original",
        "RequestHost": "server_address",
        "RequestAddr": "server_address",
        "request_X-Request-Id": "request_id",
        "ServiceName": "service_name",
        "TraceId": "trace_id",
        "SpanId": "span_id",
        "ClientUsername": "user_id",
    },
    is_access=True,
)
