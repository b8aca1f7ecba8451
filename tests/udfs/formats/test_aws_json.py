"""API Gateway, WAF and VPC Lattice: lines as the documentation shows them, and what deployments make of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.udfs.formats.answers import answer, wrong_fields

_REST = {
    "requestId": "9e3d5c2a-63e8-4a5d-a54c-ac05fb7d8dad", "extendedRequestId": "Jc9xEHNrDoEFUVg=", "ip": "203.0.113.170", "caller": "-",
    "user": "-", "requestTime": "03/Mar/2026:21:44:53 +0000", "httpMethod": "POST", "resourcePath": "/v1/orders/{id}", "status": "200",
    "protocol": "HTTP/1.1", "responseLength": "157",
}  # fmt: skip
_REST_FIELDS = {
    "format": "aws_apigateway", "kind": "access", "timestamp": "2026-03-03T21:44:53.000000Z", "http_request_method": "POST",
    "http_route": "/v1/orders/{id}", "http_response_status_code": 200, "http_response_body_size": 157, "client_address": "203.0.113.170",
    "request_id": "9e3d5c2a-63e8-4a5d-a54c-ac05fb7d8dad", "user_id": None, "duration_ms": None, "error_category": None,
}  # fmt: skip
_WAF: dict[str, Any] = {
    "timestamp": 1683355579981, "formatVersion": 1, "webaclId": "arn:aws:wafv2:eu-west-1:1:regional/webacl/t/1",
    "terminatingRuleId": "RateBasedRule", "terminatingRuleType": "RATE_BASED", "action": "BLOCK", "terminatingRuleMatchDetails": [],
    "httpSourceName": "APIGW", "httpSourceId": "1:rjvegx5guh:test", "ruleGroupList": [], "rateBasedRuleList": [],
    "nonTerminatingMatchingRules": [], "requestHeadersInserted": None, "responseCodeSent": None,
    "httpRequest": {
        "clientIp": "203.0.113.7", "country": "US",
        "headers": [
            {"name": "User-Agent", "value": "curl/8.8.0"}, {"name": "Host", "value": "api.example.com"},
            {"name": "X-Request-Id", "value": "r-77"},
        ],
        "uri": "/CanaryTest", "args": "a=b", "httpVersion": "HTTP/1.1", "httpMethod": "GET", "requestId": "waf-1",
    },
}  # fmt: skip
_LATTICE = {
    "hostHeader": "example.com", "sslCipher": "-", "serviceNetworkArn": "arn:aws:vpc-lattice:us-west-2:1:servicenetwork/svn-1",
    "resolvedUser": "Unknown", "authDeniedReason": "null", "requestMethod": "GET", "tlsVersion": "-", "userAgent": "-",
    "serverNameIndication": "-", "destinationVpcId": "vpc-0", "sourceIpPort": "178.0.181.150:80", "targetIpPort": "131.31.44.176:80",
    "serviceArn": "arn:aws:vpc-lattice:us-west-2:1:service/svc-1", "sourceVpcId": "vpc-1", "requestPath": "/billing?a=1",
    "startTime": "2023-07-28T20:48:45Z", "protocol": "HTTP/1.1", "responseCode": 200, "bytesReceived": 42, "bytesSent": 43,
    "duration": 375, "requestToTargetDuration": 1, "responseFromTargetDuration": 1, "grpcResponseCode": 1,
}  # fmt: skip

_CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("rest, documented template", _REST, _REST_FIELDS),
    ("epoch goes before the second", {**_REST, "requestTimeEpoch": "1772574293123"}, {"timestamp": "2026-03-03T21:44:53.123000Z"}),
    ("epoch as a number", {**_REST, "requestTimeEpoch": 1772574293123}, {"timestamp": "2026-03-03T21:44:53.123000Z"}),
    ("numbers instead of texts", {**_REST, "status": 200, "responseLength": 157}, _REST_FIELDS),
    ("latency", {**_REST, "responseLatency": "123", "integrationLatency": "119"}, {"duration_ms": 123.0}),
    ("latency not there", {**_REST, "responseLatency": "-"}, {"duration_ms": None}),
    ("a user", {**_REST, "user": "AIDA1234", "caller": "AIDA1234"}, {"user_id": "AIDA1234"}),
    ("an API key's id", {**_REST, "apiKeyId": "k-1"}, {"client_id": "k-1"}),
    ("path beside the template", {**_REST, "path": "/prod/v1/orders/17"}, {"url_path": "/prod/v1/orders/17",
     "http_route": "/v1/orders/{id}"}),
    ("X-Ray", {**_REST, "xrayTraceId": "1-5e2b2f1a-0123456789abcdef01234567"}, {"trace_id": "5e2b2f1a0123456789abcdef01234567"}),
    ("forbidden", {**_REST, "status": "403", "errorMessage": "Forbidden", "errorResponseType": "ACCESS_DENIED"},
     {"error_category": "authorization"}),
    ("throttled", {**_REST, "status": "429", "errorResponseType": "THROTTLED"}, {"error_category": "rate_limit"}),
    ("integration timeout", {**_REST, "status": "504", "errorResponseType": "INTEGRATION_TIMEOUT"}, {"error_category": "timeout"}),
    ("IPv6", {**_REST, "ip": "2001:db8:9b3b::e588"}, {"client_address": "2001:db8:9b3b::e588"}),
    ("snake case", {"request_id": "r1", "resource_path": "/pets", "status": 200, "http_method": "GET", "source_ip": "203.0.113.9",
     "response_latency": 5},
     {"request_id": "r1", "http_route": "/pets", "http_request_method": "GET", "client_address": "203.0.113.9", "duration_ms": 5.0}),
    ("http, documented template",
     {"requestId": "JKJaXmPLvHcESHA=", "ip": "203.0.113.9", "requestTime": "10/Mar/2026:03:16:23 +0000", "httpMethod": "GET",
      "routeKey": "GET /pets/{petId}", "status": "200", "protocol": "HTTP/1.1", "responseLength": "861", "stage": "$default"},
     {"request_id": "JKJaXmPLvHcESHA=", "http_route": "/pets/{petId}", "http_response_body_size": 861, "environment": None}),
    ("http, default route", {"requestId": "r1", "requestTime": "10/Mar/2026:03:16:23 +0000", "routeKey": "$default", "status": "404"},
     {"http_route": "$default", "error_category": "validation"}),
    ("http, any method", {"requestId": "r1", "routeKey": "ANY /pets", "status": "200"}, {"http_route": "/pets"}),
    ("websocket",
     {"requestId": "r1", "ip": "203.0.113.9", "caller": "-", "user": "-", "requestTime": "10/Mar/2026:03:16:23 +0000",
      "eventType": "CONNECT", "routeKey": "$connect", "status": "200", "connectionId": "Jc9=", "stage": "prod"},
     {"kind": "access", "http_route": "$connect", "environment": "prod", "http_request_method": None}),
    ("waf, documented entry", _WAF,
     {"format": "aws_waf", "timestamp": "2023-05-06T06:46:19.981000Z", "http_request_method": "GET", "url_path": "/CanaryTest",
      "url_query": "a=b", "client_address": "203.0.113.7", "user_agent_original": "curl/8.8.0", "server_address": "api.example.com",
      "request_id": "waf-1", "error_category": "rate_limit", "http_response_status_code": None}),
    ("waf, blocked by a rule", {**_WAF, "terminatingRuleType": "MANAGED_RULE_GROUP"}, {"error_category": "authorization"}),
    ("waf, allowed", {**_WAF, "terminatingRuleType": "REGULAR", "action": "ALLOW"}, {"error_category": None}),
    ("waf, own response", {**_WAF, "responseCodeSent": 418}, {"http_response_status_code": 418}),
    ("waf, headers of lower case, of no list", {**_WAF, "httpRequest": {**_WAF["httpRequest"], "headers": None}},
     {"user_agent_original": None}),
    ("lattice, documented entry", _LATTICE,
     {"format": "aws_vpc_lattice", "timestamp": "2023-07-28T20:48:45.000000Z", "http_request_method": "GET", "url_path": "/billing",
      "url_query": "a=1", "http_response_status_code": 200, "duration_ms": 375.0, "http_response_body_size": 43,
      "client_address": "178.0.181.150", "server_address": "example.com", "user_agent_original": None, "user_id": None}),
    ("lattice, denied", {**_LATTICE, "responseCode": 403, "authDeniedReason": "Service"}, {"error_category": "authorization"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), [pytest.param(line, expected, id=name) for name, line, expected in _CASES])
def test_line_gives_its_fields(line: dict[str, Any], expected: dict[str, Any]) -> None:
    assert not wrong_fields(line, expected)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("status", "999", "invalid_status"),
        ("status", {"a": 1}, "invalid_status"),
        ("requestTime", "31/Feb/2026:21:44:53 +0000", "invalid_timestamp"),
        ("requestTime", [1], "invalid_timestamp"),
        ("responseLatency", "-5", "invalid_duration"),
        ("responseLatency", "fast", "invalid_duration"),
        ("responseLength", "1.5", "invalid_size"),
        ("httpMethod", 7, "invalid_method"),
        ("path", {"a": 1}, "invalid_path"),
    ],
)
def test_impossible_value_is_refused_with_its_reason(key: str, value: object, reason: str) -> None:
    assert answer({**_REST, key: value})["error"]["reason"] == reason
