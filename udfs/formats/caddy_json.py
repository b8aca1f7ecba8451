"""Caddy access logs: https://caddyserver.com/docs/logging and https://caddyserver.com/docs/caddyfile/directives/log.

`ts` is epoch seconds, or what `time_format` makes of it; `duration` is seconds, or a text with its unit (`duration_format string`).
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["CADDY_JSON"]

CADDY_JSON = Dialect(
    "caddy",
    (
        frozenset({"request", "duration", "status", "ts"}),
        frozenset({"request", "status", "resp_headers"}),
        frozenset({"request", "bytes_read", "status"}),
    ),
    {
        "ts": "timestamp",
        "time": "timestamp",
        "timestamp": "timestamp",
        "request.method": "http_request_method",
        "request.uri": "url_path",
        "status": "http_response_status_code",
        "duration": "duration_s",
        "size": "http_response_body_size",
        "request.client_ip": "client_address",
        "request.remote_ip": "client_address",
        "request.remote_addr": "client_address",
        "request.headers.X-Forwarded-For": "forwarded_for",
        "request.headers.User-Agent": "user_agent_original",
        "request.headers.Authorization": "token",
        "request.host": "server_address",
        "request.headers.X-Request-Id": "request_id",
        "resp_headers.X-Request-Id": "request_id",
        "request_id": "request_id",
        "uuid": "request_id",
        "traceID": "trace_id",
        "request.headers.Traceparent": "trace_id",
        "spanID": "span_id",
        "user_id": "user_id",
    },
    is_access=True,
)
