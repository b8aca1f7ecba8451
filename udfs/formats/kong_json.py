"""Kong `http-log` and `file-log`: https://docs.konghq.com/hub/kong-inc/http-log/. `latencies` are ms, `started_at` epoch ms."""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["KONG_JSON"]

KONG_JSON = Dialect(
    "kong",
    (
        frozenset({"request", "response", "latencies"}),
        frozenset({"request", "latencies", "client_ip"}),
    ),
    {
        "started_at": "timestamp",
        "request.method": "http_request_method",
        "request.uri": "url_path",
        "request.url": "url_path",
        "response.status": "http_response_status_code",
        "latencies.request": "duration_ms",
        "response.size": "http_response_body_size",
        "client_ip": "client_address",
        "request.headers.user-agent": "user_agent_original",
        "request.headers.host": "server_address",
        "request.id": "request_id",
        "request.headers.x-request-id": "request_id",
        "service.name": "service_name",
        "consumer.id": "client_id",
        "trace_id.w3c": "trace_id",
    },
    nested=True,
    is_access=True,
)
