"""Dialects of JSON lines: which key means what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["HINT_TARGETS", "TARGETS", "TEXT_TARGETS", "Dialect"]

TEXT_TARGETS = (
    "kind", "environment", "service_name", "http_request_method", "url_path", "url_query", "http_route", "user_agent_original",
    "server_address", "request_id", "trace_id", "span_id", "parent_span_id", "span_name", "span_kind", "client_id", "user_id", "token_id",
    "k8s_pod_name", "severity_text", "body", "error_category", "region", "cluster",
)  # fmt: skip

HINT_TARGETS = (
    "response_flags",  # Envoy's %RESPONSE_FLAGS%, e.g. 'UT' or 'UF,URX'
    "termination_state",  # HAProxy's, e.g. 'sH--'
    "error_reason",  # a gateway's reason or a body's error code: ALB error_reason, API Gateway error.responseType, statusDetails
    "upstream_status",  # status the server behind gave, the last one where there were several tries
    "forwarded_for",  # X-Forwarded-For as logged: a list; what of it is the caller, the trusted proxies decide
    "token",  # the Authorization header or token as logged: becomes a token_id, is never stored
    "cloud_account_id", "k8s_namespace_name", "host_name",  # for the catalogue
)  # fmt: skip
"""What helps to fill the event's fields and is not stored itself: parsers put it into `Parsed.columns`, normalise uses it up."""

TARGETS = (
    *TEXT_TARGETS,
    *HINT_TARGETS,
    "timestamp",  # ISO 8601, or an epoch number in s, ms, us or ns
    "end_time",  # gives the duration where none is logged
    "http_response_status_code",
    "http_response_body_size",
    "client_address",  # first of a list, port cut off
    "duration_ms",
    "duration_s",
    "duration_us",
    "duration_ns",
    "request",  # 'GET /a?b=c HTTP/1.1'
)
"""What a key can be mapped to: fields of the event schema, or a form of one."""


@dataclass(frozen=True)
class Dialect:
    """One way of writing an event as a JSON object. Nested keys are written with dots: 'request.method'."""

    name: str
    """Goes into the column `format`."""
    signature: tuple[frozenset[str], ...]
    """The dialect is this one when all keys of one of these sets are there; () = always."""
    keys: Mapping[str, str]
    """Key -> target. Of several keys with one target the first that holds something counts."""
    nested: bool = field(default=False)
    """Whether keys reach into objects."""
    is_access: bool = field(default=False)
    """Whether every line is an access line."""

    def __post_init__(self) -> None:
        """Refuse targets that are not there."""
        unknown = set(self.keys.values()) - set(TARGETS)
        if unknown:
            raise ValueError(f"dialect {self.name}: unknown targets {sorted(unknown)}")

    def matches(self, keys: frozenset[str]) -> bool:
        """Whether an object with these (top-level) keys is written in this dialect."""
        return not self.signature or any(required <= keys for required in self.signature)
