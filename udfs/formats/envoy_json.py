"""Envoy, Istio, Contour and Envoy Gateway access logs as JSON (`json_format`, `accessLogEncoding: JSON`).

https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage ("Format dictionaries"),
https://istio.io/latest/docs/tasks/observability/logs/access-log/ ("Default access log format"),
https://projectcontour.io/docs/main/config/access-logging/ and https://gateway.envoyproxy.io/docs/tasks/observability/proxy-accesslog/.
DURATION is in ms. Keys are free; these are those of the default dictionaries, in header style (`x-request-id`), Istio style
(`request_id`) or that of the operators themselves (`%REQ(X-REQUEST-ID)%`).
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["ENVOY_JSON"]

ENVOY_JSON = Dialect(
    "envoy_json",
    (
        frozenset({"start_time", "response_code"}),
        frozenset({"start_time", "response_flags"}),
        frozenset({"response_code", "response_flags"}),
        frozenset({"startTime", "responseFlags"}),
        frozenset({"startTime", "responseCode"}),
        frozenset({"responseCode", "responseFlags"}),
        frozenset({"downstream_remote_address", "response_code"}),
        frozenset({"upstream_cluster", "response_code"}),
        frozenset({"upstream_host", "response_code"}),
        frozenset({"%START_TIME%"}),
        frozenset({"%RESPONSE_CODE%"}),
        frozenset({"START_TIME", "RESPONSE_CODE"}),
        frozenset({"RESPONSE_CODE", "RESPONSE_FLAGS"}),
        frozenset({"x-envoy-origin-path"}),
        frozenset({":authority"}),
    ),
    {
        "start_time": "timestamp",
        "timestamp": "timestamp",
        "@timestamp": "timestamp",
        "time": "timestamp",
        "method": "http_request_method",
        "req_method": "http_request_method",
        "request_method": "http_request_method",
        "http_method": "http_request_method",
        "x-envoy-original-path": "url_path",
        "x-envoy-origin-path": "url_path",
        "original_path": "url_path",
        "path": "url_path",
        "req_path": "url_path",
        "request_path": "url_path",
        "uri_path": "url_path",
        "uri": "url_path",
        "response_code": "http_response_status_code",
        "status_code": "http_response_status_code",
        "status": "http_response_status_code",
        "duration": "duration_ms",
        "duration_ms": "duration_ms",
        "client_duration": "duration_ms",
        "bytes_sent": "http_response_body_size",
        "x-forwarded-for": "client_address",
        "downstream_remote_address": "client_address",
        "downstream_remote_address_without_port": "client_address",
        "downstream_direct_remote_address": "client_address",
        "downstream_direct_remote_address_without_port": "client_address",
        "user-agent": "user_agent_original",
        "authority": "server_address",
        "host": "server_address",
        "x-request-id": "request_id",
        "request_id": "request_id",
        "trace_id": "trace_id",
        "traceparent": "trace_id",
        "x-b3-traceid": "trace_id",
        "x-cloud-trace-context": "trace_id",
        "span_id": "span_id",
        "x-b3-spanid": "span_id",
        "x-b3-parentspanid": "parent_span_id",
        "service_name": "service_name",
        "environment": "environment",
        "hostname": "k8s_pod_name",
        "pod": "k8s_pod_name",
        "pod_name": "k8s_pod_name",
        "namespace": "k8s_namespace_name",
        "cluster": "cluster",
        "response_flags": "response_flags",
        "response_code_details": "error_reason",
        "authorization": "token",
    },
    is_access=True,
)
