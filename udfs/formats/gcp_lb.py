"""Google Cloud HTTP(S) load balancing: LogEntry objects with `httpRequest`.

https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["GCP_LB"]

GCP_LB = Dialect(
    "gcp_lb",
    (frozenset({"httpRequest"}),),
    {
        "timestamp": "timestamp",
        "receiveTimestamp": "timestamp",
        "httpRequest.requestMethod": "http_request_method",
        "httpRequest.requestUrl": "url_path",
        "httpRequest.status": "http_response_status_code",
        "httpRequest.latency": "duration_s",
        "httpRequest.responseSize": "http_response_body_size",
        "httpRequest.remoteIp": "client_address",
        "jsonPayload.remoteIp": "client_address",
        "httpRequest.userAgent": "user_agent_original",
        "trace": "trace_id",
        "spanId": "span_id",
        "severity": "severity_text",
    },
    nested=True,
    is_access=True,
)
