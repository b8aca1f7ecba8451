"""Kong `http-log`, `file-log`, `kafka-log` and their kin: https://developer.konghq.com/plugins/http-log/ ("Log format").

`latencies` are ms, `started_at` epoch ms; `request.id` is Kong 3.5 and later.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["KONG_JSON"]

KONG_JSON = Dialect(
    "kong",
    (
        frozenset({"request", "response", "latencies"}),
        frozenset({"request", "latencies", "client_ip"}),
        frozenset({"request", "response", "started_at"}),
    ),
    {
        "started_at": "timestamp",
        "request.method": "http_request_method",
        "request.uri": "url_path",
        "request.url": "url_path",
        "request.request_uri": "url_path",
        "response.status": "http_response_status_code",
        "latencies.request": "duration_ms",
        "response.size": "http_response_body_size",
        "client_ip": "client_address",
        "request.headers.x-forwarded-for": "forwarded_for",
        "request.headers.user-agent": "user_agent_original",
        "request.headers.authorization": "token",
        "request.headers.host": "server_address",
        "request.id": "request_id",
        "request.headers.x-request-id": "request_id",
        "request.headers.kong-request-id": "request_id",
        "correlation_id": "request_id",
        "service.name": "service_name",
        "trace_id.w3c": "trace_id",
        "trace_id.b3": "trace_id",
        "trace_id.datadog": "trace_id",
        "request.headers.traceparent": "trace_id",
        "consumer.username": "client_id",
        "consumer.custom_id": "client_id",
        "consumer.id": "client_id",
        "authenticated_entity.consumer_id": "client_id",
        "authenticated_entity.id": "token_id",
        "upstream_status": "upstream_status",
    },
    is_access=True,
)
