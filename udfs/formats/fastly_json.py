"""Fastly: the documented JSON log formats.

https://docs.fastly.com/en/guides/useful-log-formats and https://www.fastly.com/documentation/guides/integrations/logging/ (the default
JSON of the endpoints). `time_elapsed` is us, `request` the method, `timestamp` ISO 8601 or epoch seconds.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["FASTLY_JSON"]

FASTLY_JSON = Dialect(
    "fastly",
    (
        frozenset({"fastly_server"}),
        frozenset({"fastly_is_edge"}),
        frozenset({"request_user_agent", "response_status"}),
        frozenset({"time_elapsed", "is_tls"}),
        frozenset({"time_elapsed", "cache_status"}),
        frozenset({"resp_body_size", "req_header_size"}),
        frozenset({"time_start_msec", "time_elapsed_usec"}),
        frozenset({"fastly_info_state"}),
    ),
    {
        "time_start_usec": "timestamp",
        "time_start_msec": "timestamp",
        "time_start": "timestamp",
        "start_time": "timestamp",
        "timestamp": "timestamp",
        "time": "timestamp",
        "time_end": "end_time",
        "request_method": "http_request_method",
        "method": "http_request_method",
        "req_method": "http_request_method",
        "request": "http_request_method",
        "url": "url_path",
        "req_url": "url_path",
        "request_uri": "url_path",
        "uri": "url_path",
        "path": "url_path",
        "query": "url_query",
        "response_status": "http_response_status_code",
        "status": "http_response_status_code",
        "resp_status": "http_response_status_code",
        "status_code": "http_response_status_code",
        "time_elapsed": "duration_us",
        "time_elapsed_usec": "duration_us",
        "elapsed_usec": "duration_us",
        "time_elapsed_msec": "duration_ms",
        "time_elapsed_ms": "duration_ms",
        "response_body_size": "http_response_body_size",
        "resp_body_size": "http_response_body_size",
        "bytes": "http_response_body_size",
        "client_ip": "client_address",
        "remote_addr": "client_address",
        "x_forwarded_for": "forwarded_for",
        "request_user_agent": "user_agent_original",
        "user_agent": "user_agent_original",
        "req_user_agent": "user_agent_original",
        "host": "server_address",
        "request_host": "server_address",
        "orig_host": "server_address",
        "request_id": "request_id",
        "x_request_id": "request_id",
        "req_id": "request_id",
        "trace_id": "trace_id",
        "traceparent": "trace_id",
    },
    is_access=True,
)
