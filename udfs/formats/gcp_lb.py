"""Google Cloud LogEntry objects: HTTP(S) load balancing, Cloud Run and GKE ingress (with `httpRequest`), and any other entry.

https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring,
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry (`latency` is a text in s, `trace` a resource name),
https://cloud.google.com/run/docs/logging and https://cloud.google.com/logging/docs/structured-logging (the special keys of
what an application writes).
"""

from __future__ import annotations

from udfs.formats.apigee_json import APIGEE_JSON
from udfs.formats.dialect import Dialect
from udfs.formats.plain_json import PLAIN_JSON

__all__ = ["GCP_LB", "GCP_LOG"]

_ENTRY = {
    "timestamp": "timestamp",
    "time": "timestamp",
    "receiveTimestamp": "timestamp",
    "trace": "trace_id",
    "logging.googleapis.com/trace": "trace_id",
    "spanId": "span_id",
    "logging.googleapis.com/spanId": "span_id",
    "severity": "severity_text",
    "resource.labels.service_name": "service_name",
    "resource.labels.container_name": "service_name",
    "resource.labels.backend_service_name": "service_name",
    "resource.labels.pod_name": "k8s_pod_name",
    "resource.labels.namespace_name": "k8s_namespace_name",
    "resource.labels.cluster_name": "cluster",
    "resource.labels.location": "region",
    "resource.labels.region": "region",
    "resource.labels.project_id": "cloud_account_id",
}

GCP_LB = Dialect(
    "gcp_lb",
    (frozenset({"httpRequest"}), frozenset({"http_request", "logName"})),
    {
        **_ENTRY,
        "httpRequest.requestMethod": "http_request_method",
        "httpRequest.requestUrl": "url_path",
        "httpRequest.status": "http_response_status_code",
        "httpRequest.latency": "duration_s",
        "httpRequest.responseSize": "http_response_body_size",
        "httpRequest.remoteIp": "client_address",
        "jsonPayload.remoteIp": "client_address",
        "httpRequest.userAgent": "user_agent_original",
        "jsonPayload.statusDetails": "error_reason",
        "statusDetails": "error_reason",
        "jsonPayload.message": "body",
        "message": "body",
        "textPayload": "body",
    },
    is_access=True,
)

GCP_LOG = Dialect(
    "gcp_log",
    (
        frozenset({"logName", "timestamp"}),
        frozenset({"logName", "insertId"}),
        frozenset({"logName", "receiveTimestamp"}),
        frozenset({"jsonPayload", "timestamp"}),
        frozenset({"textPayload", "timestamp"}),
    ),
    {
        **{f"jsonPayload.{key}": target for key, target in {**APIGEE_JSON.keys, **PLAIN_JSON.keys}.items()},
        **_ENTRY,
        "textPayload": "body",
        "protoPayload.methodName": "span_name",
        "protoPayload.status.message": "body",
        "protoPayload.serviceName": "service_name",
    },
    loose=frozenset(f"jsonPayload.{key}" for key in PLAIN_JSON.loose),
)
"""What an application wrote as JSON is read like a line of its own, under `jsonPayload`."""
