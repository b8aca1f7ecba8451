"""Envoy and Istio access logs as JSON (`json_format`, `accessLogEncoding: JSON`).

https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage ("Format dictionaries") and
https://istio.io/latest/docs/tasks/observability/logs/access-log/ ("Default access log format"). DURATION is in ms; keys are those
of the default dictionaries, in header style (`x-request-id`) or Istio style (`request_id`).
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
        frozenset({"downstream_remote_address", "response_code"}),
        frozenset({"x-envoy-origin-path"}),
        frozenset({":authority"}),
    ),
    {
        "start_time": "timestamp",
        "timestamp": "timestamp",
        "@timestamp": "timestamp",
        "time": "timestamp",
        "method": "http_request_method",
        ":method": "http_request_method",
        "x-envoy-original-path": "url_path",
        "x-envoy-origin-path": "url_path",
        "x_envoy_original_path": "url_path",
        "x_envoy_origin_path": "url_path",
        "path": "url_path",
        ":path": "url_path",
        "response_code": "http_response_status_code",
        "duration": "duration_ms",
        "bytes_sent": "http_response_body_size",
        "x-forwarded-for": "client_address",
        "x_forwarded_for": "client_address",
        "downstream_remote_address": "client_address",
        "downstream_direct_remote_address": "client_address",
        "user-agent": "user_agent_original",
        "user_agent": "user_agent_original",
        "authority": "server_address",
        ":authority": "server_address",
        "host": "server_address",
        "x-request-id": "request_id",
        "x_request_id": "request_id",
        "request_id": "request_id",
        "trace_id": "trace_id",
        "x-b3-traceid": "trace_id",
        "x_b3_traceid": "trace_id",
        "span_id": "span_id",
        "x-b3-spanid": "span_id",
        "x_b3_spanid": "span_id",
        "service_name": "service_name",
        "environment": "environment",
        "hostname": "k8s_pod_name",
        "pod": "k8s_pod_name",
    },
    is_access=True,
)
