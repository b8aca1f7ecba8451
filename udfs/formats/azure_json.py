"""Azure resource logs of Application Gateway, Front Door, API Management and App Service; other categories become log records.

https://learn.microsoft.com/azure/azure-monitor/platform/resource-logs-schema (`properties` is an object, or a string of one),
https://learn.microsoft.com/azure/application-gateway/monitor-application-gateway-reference (`timeTaken` in s; in ms in v1),
https://learn.microsoft.com/azure/frontdoor/monitor-front-door-reference (`timeTaken` in s),
https://learn.microsoft.com/azure/api-management/gateway-log-schema-reference (`durationMs`) and
https://learn.microsoft.com/azure/app-service/monitor-app-service-reference (AppServiceHTTPLogs: `TimeTaken` in ms).
Application Insights' requests (https://learn.microsoft.com/azure/azure-monitor/reference/tables/apprequests) have W3C ids of operations.
Exports of Log Analytics tables have the columns of AGWAccessLogs, ApiManagementGatewayLogs, AppServiceHTTPLogs and AzureDiagnostics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.dialect import Dialect
from udfs.formats.json_values import read_texts
from udfs.formats.parsed import Parsed

__all__ = ["AZURE_APP_REQUESTS_JSON", "AZURE_APP_TABLE_JSON", "AZURE_JSON", "AZURE_TABLE_JSON"]

_NO_ERROR = pa.array(["NoError", "ERRORINFO_NO_ERROR", "Succeeded"])
_NULL = pa.scalar(None, pa.string())
_V1_MS = 1e-3


def _finish(parsed: Parsed, private: Mapping[str, Sequence[Any]]) -> None:
    """Times of the v1 gateway, which are ms; no reason where nothing went wrong; a text for what is no request."""
    columns = parsed.columns
    n = len(parsed.line)
    if "duration_ms" in columns and "_instance" in private:
        v1 = pc.starts_with(read_texts(private["_instance"]), "ApplicationGatewayRole").fill_null(False)
        for key in ("_v2_time", "_v2_id"):
            if key in private:
                v1 = pc.and_(v1, read_texts(private[key]).is_null())
        if pc.any(v1).as_py():
            scaled = pc.round(pc.multiply(columns["duration_ms"], _V1_MS), 9)
            columns["duration_ms"] = pc.if_else(v1, scaled, columns["duration_ms"])
    if "error_reason" in columns:
        columns["error_reason"] = pc.if_else(pc.is_in(columns["error_reason"], _NO_ERROR), _NULL, columns["error_reason"])
    request = np.zeros(n, bool)
    for name in ("http_request_method", "url_path", "http_response_status_code"):
        if name in columns:
            request |= columns[name].is_valid().to_numpy(zero_copy_only=False)
    for key in ("_message", "_operation"):
        if key in private and not request.all():
            text = pc.if_else(pa.array(request), _NULL, read_texts(private[key]))
            columns["body"] = pc.coalesce(columns["body"], text) if "body" in columns else text


def _finish_requests(parsed: Parsed, _: Mapping[str, Sequence[Any]]) -> None:
    """Application Insights names an operation 'GET /orders/{id}' or 'GET Orders/Get': the method is nowhere else."""
    columns = parsed.columns
    if "span_name" in columns:
        method = pc.extract_regex(columns["span_name"], r"^(?P<method>[A-Z]{3,10}) \S").field(0)
        own = columns.get("http_request_method")
        columns["http_request_method"] = method if own is None else pc.coalesce(own, method)


_PROPERTIES = {
    "timeStamp": "timestamp",
    "httpMethod": "http_request_method",
    "method": "http_request_method",
    "CsMethod": "http_request_method",
    "originalRequestUriWithArgs": "url_path",
    "requestUri": "url_path",
    "url": "url_path",
    "CsUriStem": "url_path",
    "requestQuery": "url_query",
    "CsUriQuery": "url_query",
    "httpStatus": "http_response_status_code",
    "httpStatusCode": "http_response_status_code",
    "responseCode": "http_response_status_code",
    "ScStatus": "http_response_status_code",
    "sentBytes": "http_response_body_size",
    "responseBytes": "http_response_body_size",
    "responseSize": "http_response_body_size",
    "ScBytes": "http_response_body_size",
    "clientIP": "client_address",
    "clientIp": "client_address",
    "CIp": "client_address",
    "userAgent": "user_agent_original",
    "originalHost": "server_address",
    "hostName": "server_address",
    "CsHost": "server_address",
    "host": "server_address",
    "transactionId": "request_id",
    "trackingReference": "request_id",
    "apimSubscriptionId": "client_id",
    "userId": "user_id",
    "CsUsername": "user_id",
    "serverStatus": "upstream_status",
    "backendResponseCode": "upstream_status",
    "lastError.reason": "error_reason",
    "error_info": "error_reason",
    "errorInfo": "error_reason",
    "instanceId": "_instance",
    "clientResponseTime": "_v2_time",
    "message": "_message",
    "Msg": "_message",
    "resultDescription": "_message",
}

AZURE_JSON = Dialect(
    "azure",
    (
        frozenset({"category", "operationName", "properties"}),
        frozenset({"resourceId", "properties"}),
        frozenset({"category", "time", "properties"}),
        frozenset({"Category", "OperationName", "Properties"}),
    ),
    {
        **{f"properties.{key}": target for key, target in _PROPERTIES.items() if target not in ("client_id", "user_id")},
        # Both names exist, in different units: App Service's is ms.
        "properties.TimeTaken": "duration_ms",
        "properties.timeTaken": "duration_s",
        "time": "timestamp",
        "timeStamp": "timestamp",
        "timeGenerated": "timestamp",
        "durationMs": "duration_ms",
        "properties.totalTime": "duration_ms",
        "callerIpAddress": "client_address",
        "correlationId": "request_id",
        "properties.correlationId": "request_id",
        "properties.apimSubscriptionId": "client_id",
        "properties.userId": "user_id",
        "properties.CsUsername": "user_id",
        "location": "region",
        "level": "severity_text",
        "resultDescription": "_message",
        "operationName": "_operation",
    },
    packed=frozenset({"properties"}),
    finish=_finish,
)

_TABLE = {
    "TimeGenerated": "timestamp",
    **_PROPERTIES,
    **{f"{key}_{kind}": target for key, target in _PROPERTIES.items() for kind in "sd" if "." not in key},
    "TotalTime": "duration_ms",
    "DurationMs": "duration_ms",
    "timeTaken_d": "duration_s",
    "timeTaken_s": "duration_s",
    "CallerIpAddress": "client_address",
    "CorrelationId": "request_id",
    "LastErrorReason": "error_reason",
    "Region": "region",
    "Location": "region",
    "Level": "severity_text",
    "OperationName": "_operation",
}

AZURE_APP_TABLE_JSON = Dialect(
    "azure",
    (frozenset({"TimeGenerated", "CsMethod"}), frozenset({"CsUriStem", "ScStatus"}), frozenset({"CsUriStem", "CsMethod"})),
    {**_TABLE, "TimeTaken": "duration_ms"},
    finish=_finish,
)

AZURE_APP_REQUESTS_JSON = Dialect(
    "azure",
    (frozenset({"OperationId", "ResultCode"}), frozenset({"OperationId", "DurationMs"})),
    {
        "time": "timestamp",
        "TimeGenerated": "timestamp",
        "Url": "url_path",
        "Data": "url_path",
        "ResultCode": "http_response_status_code",
        "DurationMs": "duration_ms",
        "ClientIP": "client_address",
        "OperationId": "trace_id",
        "Id": "span_id",
        "ParentId": "parent_span_id",
        "Name": "span_name",
        "AppRoleName": "service_name",
        "UserId": "user_id",
        "Properties.HTTP Method": "http_request_method",
    },
    loose=frozenset({"ResultCode", "Data"}),
    finish=_finish_requests,
)

AZURE_TABLE_JSON = Dialect(
    "azure",
    (
        frozenset({"TimeGenerated", "HttpMethod"}),
        frozenset({"TimeGenerated", "ResponseCode"}),
        frozenset({"TimeGenerated", "httpMethod_s"}),
        frozenset({"TimeGenerated", "method_s"}),
        frozenset({"TimeGenerated", "OperationName"}),
        frozenset({"TimeGenerated", "Category"}),
    ),
    {**_TABLE, "TimeTaken": "duration_s"},
    finish=_finish,
)
