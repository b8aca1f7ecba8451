"""Azure resource logs in the forms in which they are delivered: single, in `records`, as packed properties, as table exports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.udfs.formats.answers import answer, wrong_fields

_AGW = "/SUBSCRIPTIONS/0000/RESOURCEGROUPS/RG1/PROVIDERS/MICROSOFT.NETWORK/APPLICATIONGATEWAYS/AGW1"
_V2: dict[str, Any] = {
    "timeStamp": "2021-10-14T22:17:11+00:00", "resourceId": _AGW, "listenerName": "HTTP-Listener", "ruleName": "Storage-Static-Rule",
    "operationName": "ApplicationGatewayAccess", "category": "ApplicationGatewayAccessLog",
    "properties": {
        "instanceId": "appgw_2", "clientIP": "185.42.129.24", "clientPort": 45057, "httpMethod": "GET",
        "originalRequestUriWithArgs": "/a/b?x=1", "requestUri": "/rewritten", "requestQuery": "", "userAgent": "curl/8.8.0",
        "httpStatus": 404, "httpVersion": "HTTP/1.1", "receivedBytes": 184, "sentBytes": 466, "clientResponseTime": 0, "timeTaken": 0.034,
        "transactionId": "592d1649f75a8d480a3c4dc6a975309d", "sslEnabled": "on", "serverStatus": "404", "error_info": "ERRORINFO_NO_ERROR",
        "originalHost": "20.110.30.194", "host": "20.110.30.194",
    },
}  # fmt: skip
_V1 = {
    "resourceId": _AGW, "operationName": "ApplicationGatewayAccess", "time": "2017-04-26T19:27:38Z",
     "category": "ApplicationGatewayAccessLog",
    "properties": {
        "instanceId": "ApplicationGatewayRole_IN_0", "clientIP": "191.96.249.97", "clientPort": 46886, "httpMethod": "GET",
        "requestUri": "/phpmyadmin/scripts/setup.php", "requestQuery": "", "userAgent": "-", "httpStatus": 404, "httpVersion": "HTTP/1.0",
        "receivedBytes": 65, "sentBytes": 553, "timeTaken": 205, "sslEnabled": "off", "host": "www.contoso.com",
    },
}  # fmt: skip
_DOOR = {
    "time": "2026-03-02T12:15:27.8171234Z", "resourceId": "/SUBSCRIPTIONS/0/PROVIDERS/MICROSOFT.CDN/PROFILES/FD1",
    "category": "FrontDoorAccessLog", "operationName": "Microsoft.Cdn/Profiles/AccessLog/Write",
    "properties": {
        "trackingReference": "0b104==", "httpMethod": "GET", "httpVersion": "2.0", "requestUri": "https://www.contoso.com:443/a?b=c",
        "requestBytes": "3327", "responseBytes": "48213", "userAgent": "", "clientIp": "203.0.113.132", "socketIp": "203.0.113.1",
        "timeTaken": "1.804", "httpStatusCode": "504", "httpStatusDetails": "504", "ErrorInfo": "OriginTimeout",
         "hostName": "www.contoso.com",
    },
}  # fmt: skip
_CLASSIC = {
    **_DOOR, "category": "FrontdoorAccessLog", "operationName": "Microsoft.Network/FrontDoor/AccessLog/Write",
    "properties": {
        "trackingReference": "ref1", "httpMethod": "POST", "httpVersion": "1.1.0.0", "requestUri": "http://www.contoso.com/x",
        "requestBytes": "10", "responseBytes": "20", "userAgent": "okhttp/4.12.0", "clientIp": "2001:db8::7", "clientPort": "1",
        "timeTaken": "0.016", "securityProtocol": "", "routingRuleName": "r", "backendHostname": "b:443", "httpStatusCode": "200",
        "httpStatusDetails": "200", "pop": "FRA", "cacheStatus": "CONFIG_NOCACHE", "isReceivedFromClient": True,
    },
}  # fmt: skip
_APIM: dict[str, Any] = {
    "DeploymentVersion": "0.40", "Level": 4, "isRequestSuccess": True, "time": "2026-03-24T16:05:01.0000000Z",
    "operationName": "Microsoft.ApiManagement/GatewayLogs", "category": "GatewayLogs", "durationMs": 152, "callerIpAddress": "203.0.113.99",
    "correlationId": "7b3e7b9a-1", "location": "West Europe", "resourceId": "/SUBSCRIPTIONS/0/SERVICE/APIM1",
    "properties": {
        "method": "GET", "url": "https://apim1.azure-api.net/echo/resource?param1=sample", "backendResponseCode": 200, "responseCode": 200,
        "responseSize": 624, "cache": "none", "backendTime": 151, "requestSize": 398, "apiId": "echo-api", "operationId": "get-resource",
        "apimSubscriptionId": "sub-1", "userId": "1", "clientProtocol": "HTTP/1.1",
    },
}  # fmt: skip
_APP: dict[str, Any] = {
    "time": "2026-03-24T16:05:01.1234567Z", "resourceId": "/SUBSCRIPTIONS/0/PROVIDERS/MICROSOFT.WEB/SITES/SHOP",
     "category": "AppServiceHTTPLogs",
    "properties": json.dumps({
        "CsHost": "shop.azurewebsites.net", "CsMethod": "PUT", "CsUriStem": "/v1/orders/17", "CsUriQuery": "a=b", "SPort": "443",
        "CIp": "203.0.113.4", "CsUsername": "", "ScStatus": 201, "ScSubStatus": "0", "ScWin32Status": "0", "ScBytes": 812, "CsBytes": 900,
        "TimeTaken": 47, "UserAgent": "okhttp/4.12.0", "Result": "Success", "Cookie": "-", "Referer": "", "ComputerName": "RD1",
    }),
}  # fmt: skip

_CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("application gateway v2", _V2,
     {"format": "azure", "kind": "access", "timestamp": "2021-10-14T22:17:11.000000Z", "http_request_method": "GET", "url_path": "/a/b",
      "url_query": "x=1", "http_response_status_code": 404, "duration_ms": 34.0, "http_response_body_size": 466,
      "client_address": "185.42.129.24", "user_agent_original": "curl/8.8.0", "server_address": "20.110.30.194",
      "request_id": "592d1649f75a8d480a3c4dc6a975309d", "error_category": "validation", "body": None}),
    ("application gateway v1: milliseconds", _V1,
     {"timestamp": "2017-04-26T19:27:38.000000Z", "duration_ms": 205.0, "url_path": "/phpmyadmin/scripts/setup.php",
      "user_agent_original": None, "server_address": "www.contoso.com"}),
    ("application gateway v2, numbers as texts",
     {**_V2, "properties": {**_V2["properties"], "httpStatus": "404", "timeTaken": "0.034", "sentBytes": "466"}},
     {"http_response_status_code": 404, "duration_ms": 34.0, "http_response_body_size": 466}),
    ("front door", _DOOR,
     {"timestamp": "2026-03-02T12:15:27.817123Z", "url_path": "/a", "url_query": "b=c", "server_address": "www.contoso.com",
      "duration_ms": 1804.0, "http_response_status_code": 504, "http_response_body_size": 48213, "client_address": "203.0.113.132",
      "request_id": "0b104==", "user_agent_original": None, "error_category": "timeout"}),
    ("front door, classic", _CLASSIC,
     {"http_request_method": "POST", "url_path": "/x", "duration_ms": 16.0, "client_address": "2001:db8::7", "request_id": "ref1"}),
    ("api management", _APIM,
     {"kind": "access", "timestamp": "2026-03-24T16:05:01.000000Z", "http_request_method": "GET", "url_path": "/echo/resource",
      "url_query": "param1=sample", "http_response_status_code": 200, "duration_ms": 152.0, "http_response_body_size": 624,
      "client_address": "203.0.113.99", "request_id": "7b3e7b9a-1", "client_id": "sub-1", "user_id": "1",
       "server_address": "apim1.azure-api.net"}),
    ("api management, an error with its reason",
     {**_APIM, "properties": {**_APIM["properties"], "responseCode": 401,
      "lastError": {"reason": "SubscriptionKeyInvalid"}}},
     {"error_category": "authentication"}),
    ("app service, packed properties", _APP,
     {"timestamp": "2026-03-24T16:05:01.123456Z", "http_request_method": "PUT", "url_path": "/v1/orders/17", "url_query": "a=b",
      "http_response_status_code": 201, "duration_ms": 47.0, "http_response_body_size": 812, "client_address": "203.0.113.4",
      "user_agent_original": "okhttp/4.12.0", "server_address": "shop.azurewebsites.net", "user_id": None}),
    ("app service, properties as an object", {**_APP, "properties": json.loads(str(_APP["properties"]))},
     {"duration_ms": 47.0, "http_response_status_code": 201}),
    ("app service, table export",
     {"TimeGenerated": "2026-03-24T16:05:01.1234567Z", "Category": "AppServiceHTTPLogs", **json.loads(str(_APP["properties"]))},
     {"timestamp": "2026-03-24T16:05:01.123456Z", "duration_ms": 47.0, "url_path": "/v1/orders/17", "http_response_status_code": 201}),
    ("api management, table export",
     {"TimeGenerated": "2026-03-24T16:05:01Z", "OperationName": "Microsoft.ApiManagement/GatewayLogs", "Category": "GatewayLogs",
      "CorrelationId": "c1", "TotalTime": 180, "CallerIpAddress": "203.0.113.1", "Method": "GET", "Url": "https://a.example.com/x?y=z",
      "ResponseCode": 500, "ResponseSize": 7, "ApimSubscriptionId": "s1", "LastErrorReason": "BackendConnectionFailure"},
     {"http_request_method": "GET", "url_path": "/x", "url_query": "y=z", "http_response_status_code": 500, "duration_ms": 180.0,
      "request_id": "c1", "client_address": "203.0.113.1", "error_category": "backend"}),
    ("application gateway, table export: seconds",
     {"TimeGenerated": "2026-03-24T16:05:01Z", "HttpMethod": "GET", "OriginalRequestUriWithArgs": "/x?y", "HttpStatus": 200,
      "TimeTaken": 0.5, "ClientIp": "203.0.113.1", "TransactionId": "t1", "SentBytes": 3, "UserAgent": "curl", "OriginalHost": "h"},
     {"duration_ms": 500.0, "request_id": "t1", "url_path": "/x", "url_query": "y", "client_address": "203.0.113.1",
      "server_address": "h"}),
    ("azure diagnostics table",
     {"TimeGenerated": "2026-03-24T16:05:01Z", "Category": "ApplicationGatewayAccessLog", "httpMethod_s": "GET", "requestUri_s": "/x",
      "httpStatus_d": 200, "timeTaken_d": 0.25, "clientIP_s": "203.0.113.1", "userAgent_s": "curl", "host_s": "h"},
     {"http_request_method": "GET", "url_path": "/x", "http_response_status_code": 200, "duration_ms": 250.0,
      "client_address": "203.0.113.1"}),
    ("another category is a log record",
     {"time": "2026-03-24T16:05:01Z", "category": "AppServiceConsoleLogs", "operationName": "Microsoft.Web/sites/log", "level": "Error",
      "resultDescription": "boom", "resourceId": "/x", "properties": {}},
     {"kind": "log", "body": "boom", "severity_text": "Error"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), [pytest.param(line, expected, id=name) for name, line, expected in _CASES])
def test_line_gives_its_fields(line: dict[str, Any], expected: dict[str, Any]) -> None:
    assert not wrong_fields(line, expected)


def test_records_of_one_line_are_events_of_their_own() -> None:
    found = answer({"records": [_V2, _DOOR, {**_APIM, "durationMs": -1}]})
    assert [event["http_response_status_code"] for event in found["events"]] == [404, 504]
    assert [error["reason"] for error in found["errors"]] == ["invalid_duration"]


def test_v1_and_v2_in_one_batch_keep_their_units() -> None:
    found = answer({"records": [_V1, _V2, _V1]})
    assert [event["duration_ms"] for event in found["events"]] == [205.0, 34.0, 205.0]


@pytest.mark.parametrize("packed", ["{", "[1]", "text"])
def test_properties_that_are_no_object_leave_a_log_record(packed: str) -> None:
    assert answer({**_APP, "operationName": "op", "properties": packed})["body"] == "op"


def test_requests_of_application_insights_are_joined_by_their_operation() -> None:
    record = {
        "time": "2026-04-18T09:03:00.0000000Z", "resourceId": "/S", "Type": "AppRequests", "AppRoleName": "orders",
        "ClientIP": "203.0.113.9",
        "OperationName": "GET Orders/Get", "OperationId": "2ad25f23760aebd3dcc3791d6ecf140e", "ParentId": "7c1e3e2a9b0d4f55",
        "Id": "d5096a85972c6cb3", "Name": "GET Orders/Get", "Url": "https://shop.example.org/orders/7?a=b", "Success": True,
        "ResultCode": "200", "DurationMs": 15.0645, "Properties": {"Category": "x"},
    }  # fmt: skip
    expected = {
        "trace_id": "2ad25f23760aebd3dcc3791d6ecf140e", "span_id": "d5096a85972c6cb3", "parent_span_id": "7c1e3e2a9b0d4f55",
        "http_request_method": "GET", "url_path": "/orders/7", "url_query": "a=b", "http_response_status_code": 200,
        "duration_ms": 15.0645, "service_name": "orders", "client_address": "203.0.113.9", "server_address": "shop.example.org",
    }  # fmt: skip
    assert wrong_fields(record, expected) == {}


def test_a_dependency_without_http_has_no_status_and_is_no_mistake() -> None:
    record = {"time": "2026-04-18T09:03:00Z", "OperationId": "2ad25f23760aebd3dcc3791d6ecf140e", "Name": "SQL: db", "ResultCode": "Timeout",
              "DurationMs": 3}  # fmt: skip
    assert wrong_fields(record, {"error": None, "http_response_status_code": None, "duration_ms": 3.0}) == {}
