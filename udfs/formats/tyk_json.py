"""Tyk: analytics records as Tyk Pump writes them, and the gateway's access log.

https://tyk.io/docs/api-management/logs/traffic-logs (`request_time` and `latency` ms) and
https://tyk.io/docs/api-management/logs/access-logs (`prefix` access-log, `latency_total` ms).
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["TYK_JSON"]

TYK_JSON = Dialect(
    "tyk",
    (
        frozenset({"api_id", "org_id", "response_code"}),
        frozenset({"api_id", "raw_path"}),
        frozenset({"api_id", "latency_total"}),
        frozenset({"prefix", "latency_total"}),
        frozenset({"APIID", "ResponseCode"}),
    ),
    {
        "timestamp": "timestamp",
        "TimeStamp": "timestamp",
        "time": "timestamp",
        "method": "http_request_method",
        "raw_path": "url_path",
        "path": "url_path",
        "response_code": "http_response_status_code",
        "status": "http_response_status_code",
        "status_code": "http_response_status_code",
        "latency_total": "duration_ms",
        "latency.total": "duration_ms",
        "request_time": "duration_ms",
        "client_ip": "client_address",
        "ip_address": "client_address",
        "remote_addr": "client_address",
        "user_agent": "user_agent_original",
        "host": "server_address",
        "trace_id": "trace_id",
        "request_id": "request_id",
        "api_name": "service_name",
        "oauth_id": "client_id",
        "alias": "client_id",
        "api_key": "token",
        "response_flag": "error_reason",
        "error_source": "error_reason",
    },
    is_access=True,
)
