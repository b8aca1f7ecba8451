"""Azure resource logs of Application Gateway, Front Door and API Management.

https://learn.microsoft.com/azure/application-gateway/monitor-application-gateway-reference (`timeTaken` in s),
https://learn.microsoft.com/azure/frontdoor/monitor-front-door-reference (`timeTaken` in s) and
https://learn.microsoft.com/azure/api-management/gateway-log-schema-reference (`durationMs`).
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["AZURE_JSON"]

AZURE_JSON = Dialect(
    "azure",
    (
        frozenset({"category", "operationName", "properties"}),
        frozenset({"resourceId", "properties"}),
    ),
    {
        "properties.timeStamp": "timestamp",
        "time": "timestamp",
        "timeStamp": "timestamp",
        "properties.httpMethod": "http_request_method",
        "properties.method": "http_request_method",
        "properties.originalRequestUriWithArgs": "url_path",
        "properties.requestUri": "url_path",
        "properties.url": "url_path",
        "properties.requestQuery": "url_query",
        "properties.httpStatus": "http_response_status_code",
        "properties.httpStatusCode": "http_response_status_code",
        "properties.responseCode": "http_response_status_code",
        "properties.timeTaken": "duration_s",
        "durationMs": "duration_ms",
        "properties.sentBytes": "http_response_body_size",
        "properties.responseBytes": "http_response_body_size",
        "properties.responseSize": "http_response_body_size",
        "properties.clientIP": "client_address",
        "properties.clientIp": "client_address",
        "callerIpAddress": "client_address",
        "properties.userAgent": "user_agent_original",
        "properties.originalHost": "server_address",
        "properties.hostName": "server_address",
        "properties.host": "server_address",
        "properties.transactionId": "request_id",
        "properties.trackingReference": "request_id",
        "correlationId": "request_id",
        "properties.apimSubscriptionId": "client_id",
    },
    nested=True,
    is_access=True,
)
