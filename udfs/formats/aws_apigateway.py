"""Amazon API Gateway access logs in their documented JSON form; keys are those of the sample formats.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html ("Set up CloudWatch logging for REST APIs") and
http-api-logging.html ("Customize HTTP API access logs"): `responseLatency` is ms, `resourcePath` and `routeKey` are templates.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["AWS_APIGATEWAY"]

AWS_APIGATEWAY = Dialect(
    "aws_apigateway",
    (
        frozenset({"requestId", "requestTime"}),
        frozenset({"requestId", "httpMethod", "status"}),
        frozenset({"requestId", "requestTimeEpoch"}),
        frozenset({"requestId", "routeKey"}),
    ),
    {
        "requestTimeEpoch": "timestamp",
        "requestTime": "timestamp",
        "httpMethod": "http_request_method",
        "path": "url_path",
        "status": "http_response_status_code",
        "responseLatency": "duration_ms",
        "responseLength": "http_response_body_size",
        "ip": "client_address",
        "sourceIp": "client_address",
        "userAgent": "user_agent_original",
        "domainName": "server_address",
        "requestId": "request_id",
        "resourcePath": "http_route",
        "routeKey": "http_route",
        "xrayTraceId": "trace_id",
        "user": "user_id",
        "apiKeyId": "client_id",
        "stage": "environment",
    },
    is_access=True,
)
