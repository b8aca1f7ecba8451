"""nginx with `log_format ... escape=json`: keys are nginx variables.

https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format and https://nginx.org/en/docs/varindex.html:
`$request_time` is seconds with milliseconds, `$msec` epoch seconds, `$remote_addr` the peer.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["NGINX_JSON"]

NGINX_JSON = Dialect(
    "nginx_json",
    (
        frozenset({"time_iso8601", "status"}),
        frozenset({"time_iso8601", "request"}),
        frozenset({"time_local", "status"}),
        frozenset({"remote_addr", "request_time"}),
        frozenset({"remote_addr", "body_bytes_sent"}),
        frozenset({"remote_addr", "request", "status"}),
        frozenset({"msec", "request_uri"}),
    ),
    {
        "time_iso8601": "timestamp",
        "msec": "timestamp",
        "time_local": "timestamp",
        "@timestamp": "timestamp",
        "timestamp": "timestamp",
        "time": "timestamp",
        "request_method": "http_request_method",
        "method": "http_request_method",
        "request": "request",
        "request_uri": "url_path",
        "uri": "url_path",
        "args": "url_query",
        "query_string": "url_query",
        "status": "http_response_status_code",
        "request_time": "duration_s",
        "body_bytes_sent": "http_response_body_size",
        "bytes_sent": "http_response_body_size",
        "http_x_forwarded_for": "client_address",
        "x_forwarded_for": "client_address",
        "remote_addr": "client_address",
        "http_user_agent": "user_agent_original",
        "user_agent": "user_agent_original",
        "host": "server_address",
        "http_host": "server_address",
        "server_name": "server_address",
        "request_id": "request_id",
        "req_id": "request_id",
        "http_x_request_id": "request_id",
        "trace_id": "trace_id",
        "otel_trace_id": "trace_id",
        "opentelemetry_trace_id": "trace_id",
        "span_id": "span_id",
        "otel_span_id": "span_id",
        "service_name": "service_name",
        "service": "service_name",
        "environment": "environment",
        "env": "environment",
        "remote_user": "user_id",
        "hostname": "k8s_pod_name",
        "pod": "k8s_pod_name",
    },
    is_access=True,
)
