"""Caddy access logs: https://caddyserver.com/docs/logging. `duration` is seconds, `ts` epoch seconds."""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["CADDY_JSON"]

CADDY_JSON = Dialect(
    "caddy",
    (
        frozenset({"request", "duration", "status", "ts"}),
        frozenset({"request", "status", "resp_headers"}),
    ),
    {
        "ts": "timestamp",
        "request.method": "http_request_method",
        "request.uri": "url_path",
        "status": "http_response_status_code",
        "duration": "duration_s",
        "size": "http_response_body_size",
        "request.client_ip": "client_address",
        "request.remote_ip": "client_address",
        "request.remote_addr": "client_address",
        "request.headers.User-Agent": "user_agent_original",
        "request.host": "server_address",
        "request.headers.X-Request-Id": "request_id",
        "uuid": "request_id",
        "traceID": "trace_id",
        "spanID": "span_id",
        "user_id": "user_id",
    },
    nested=True,
    is_access=True,
)
