"""Cloudflare Logpush, data set HTTP requests: https://developers.cloudflare.com/logs/reference/log-fields/zone/http_requests/.

Times are RFC 3339, or epoch numbers in s, ms or ns as the job is set up (`timestamp_format`); the duration is end - start.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["CLOUDFLARE_JSON"]

CLOUDFLARE_JSON = Dialect(
    "cloudflare",
    (
        frozenset({"RayID", "ClientRequestMethod"}),
        frozenset({"EdgeStartTimestamp", "ClientRequestHost"}),
        frozenset({"EdgeStartTimestamp", "RayID"}),
        frozenset({"EdgeStartTimestamp", "EdgeResponseStatus"}),
        frozenset({"EdgeResponseStatus", "ClientIP"}),
    ),
    {
        "EdgeStartTimestamp": "timestamp",
        "EdgeEndTimestamp": "end_time",
        "ClientRequestMethod": "http_request_method",
        "ClientRequestURI": "url_path",
        "ClientRequestPath": "url_path",
        "EdgeResponseStatus": "http_response_status_code",
        "EdgeResponseBodyBytes": "http_response_body_size",
        "EdgeResponseBytes": "http_response_body_size",
        "ClientIP": "client_address",
        "ClientRequestUserAgent": "user_agent_original",
        "ClientRequestHost": "server_address",
        "RayID": "request_id",
        "OriginResponseStatus": "upstream_status",
        "RequestHeaders.traceparent": "trace_id",
        "SecurityAction": "error_reason",
    },
    is_access=True,
)
