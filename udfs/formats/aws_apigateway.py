"""Amazon API Gateway access logs as JSON: REST, HTTP and WebSocket APIs, the documented templates and the usual ones of one's own.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html ("Set up CloudWatch logging for REST APIs"),
http-api-logging.html ("Customize HTTP API access logs"), websocket-api-logging.html and
api-gateway-variables-for-access-logging.html: `responseLatency` is ms, `requestTimeEpoch` epoch ms, `resourcePath` and `routeKey`
('GET /pets/{petId}', '$default') are templates. Keys are free; these are the names of the variables and those of the samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.dialect import Dialect
from udfs.formats.parsed import Parsed

__all__ = ["AWS_APIGATEWAY"]


def _finish(parsed: Parsed, _: Mapping[str, Sequence[Any]]) -> None:
    """The route without its method; '$default' is a stage without a name."""
    columns = parsed.columns
    if "http_route" in columns:
        columns["http_route"] = pc.replace_substring_regex(columns["http_route"], r"^(?:[A-Z]+|\*) (/.*)$", r"\1")
    if "environment" in columns:
        columns["environment"] = pc.if_else(
            pc.equal(columns["environment"], "$default"), pa.scalar(None, pa.string()), columns["environment"]
        )


AWS_APIGATEWAY = Dialect(
    "aws_apigateway",
    (
        frozenset({"requestId", "requestTime"}),
        frozenset({"requestId", "httpMethod", "status"}),
        frozenset({"requestId", "requestTimeEpoch"}),
        frozenset({"requestId", "routeKey"}),
        frozenset({"requestId", "resourcePath"}),
        frozenset({"requestId", "integrationLatency"}),
        frozenset({"requestId", "apiId", "stage"}),
        frozenset({"requestTime", "resourcePath"}),
        frozenset({"requestTime", "routeKey"}),
        frozenset({"requestTime", "httpMethod", "status"}),
        frozenset({"extendedRequestId", "status"}),
        frozenset({"request_id", "resource_path", "status"}),
        frozenset({"request_id", "route_key", "status"}),
    ),
    {
        "requestTimeEpoch": "timestamp",
        "requestTime": "timestamp",
        "request_time_epoch": "timestamp",
        "request_time": "timestamp",
        "timestamp": "timestamp",
        "time": "timestamp",
        "httpMethod": "http_request_method",
        "method": "http_request_method",
        "path": "url_path",
        "requestPath": "url_path",
        "uri": "url_path",
        "queryString": "url_query",
        "status": "http_response_status_code",
        "statusCode": "http_response_status_code",
        "responseStatus": "http_response_status_code",
        "responseLatency": "duration_ms",
        "latency": "duration_ms",
        "responseLength": "http_response_body_size",
        "ip": "client_address",
        "sourceIp": "client_address",
        "identity.sourceIp": "client_address",
        "clientIp": "client_address",
        "identitySourceIp": "client_address",
        "userAgent": "user_agent_original",
        "identity.userAgent": "user_agent_original",
        "identityUserAgent": "user_agent_original",
        "domainName": "server_address",
        "host": "server_address",
        "requestId": "request_id",
        "extendedRequestId": "request_id",
        "resourcePath": "http_route",
        "routeKey": "http_route",
        "route": "http_route",
        "xrayTraceId": "trace_id",
        "traceId": "trace_id",
        "traceparent": "trace_id",
        "user": "user_id",
        "userId": "user_id",
        "authorizer.principalId": "user_id",
        "principalId": "user_id",
        "authorizer.claims.sub": "user_id",
        "identity.user": "user_id",
        "cognitoIdentityId": "user_id",
        "apiKeyId": "client_id",
        "identity.apiKeyId": "client_id",
        "clientId": "client_id",
        "authorizer.claims.client_id": "client_id",
        "stage": "environment",
        "accountId": "cloud_account_id",
        "region": "region",
        "xForwardedFor": "forwarded_for",
        "integrationStatus": "upstream_status",
        "integration.status": "upstream_status",
        "error.responseType": "error_reason",
        "errorResponseType": "error_reason",
        "responseType": "error_reason",
        "error.message": "error_reason",
        "errorMessage": "error_reason",
    },
    is_access=True,
    finish=_finish,
)
