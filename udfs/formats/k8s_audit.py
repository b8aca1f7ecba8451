"""Kubernetes audit events: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/.

The method is the verb of the API server ('list', 'watch', 'create'), the duration the time between the first and this stage.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect

__all__ = ["K8S_AUDIT"]

K8S_AUDIT = Dialect(
    "k8s_audit",
    (frozenset({"auditID", "verb"}), frozenset({"auditID", "requestURI"})),
    {
        "requestReceivedTimestamp": "timestamp",
        "stageTimestamp": "end_time",
        "verb": "http_request_method",
        "requestURI": "url_path",
        "responseStatus.code": "http_response_status_code",
        "sourceIPs": "client_address",
        "userAgent": "user_agent_original",
        "auditID": "request_id",
        "user.username": "user_id",
        "responseStatus.reason": "error_reason",
    },
    is_access=True,
)
