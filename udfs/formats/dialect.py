"""Dialects of JSON lines: which key means what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from udfs.formats.parsed import Parsed

__all__ = ["HINT_TARGETS", "TARGETS", "TEXT_TARGETS", "Dialect", "DialectIndex", "fold_key"]

_SEPARATORS = re.compile(r"[^0-9a-z]+")
_HEADER = re.compile(r"%?(?:REQ|RESP)\(([^?)]*)(?:\?[^)]*)?\)(?::\d+)?%?")

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


class DialectIndex(NamedTuple):
    """Look-ups from the keys of an object to the targets of a dialect."""

    exact: Mapping[str, tuple[int, str]]
    """Dotted path as documented -> its rank (0 = goes first) and target."""
    folded: Mapping[str, tuple[int, str]]
    """Folded path -> rank and target."""
    containers: frozenset[str]
    """Folded paths of the objects that paths reach into."""


@dataclass(frozen=True, eq=False)
class Dialect:
    """One way of writing an event as a JSON object. Nested keys are written with dots: 'request.method'.

    Whether a log nests its keys or writes them with dots makes no difference, nor do case and separators: 'http.request.id' is also
    found as {"http": {"request": {"id": ..}}} and as 'httpRequestId'. A key written exactly as in the dialect goes first.
    """

    name: str
    """Goes into the column `format`."""
    signature: tuple[frozenset[str], ...]
    """The dialect is this one when all keys of one of these sets are there; () = always."""
    keys: Mapping[str, str]
    """Path -> target. Of several paths with one target the first that holds something counts. A target that starts with '_' is
    handed to `finish` as it is."""
    is_access: bool = field(default=False)
    """Whether every line is an access line."""
    loose: frozenset[str] = field(default=frozenset())
    """Keys that mean something else in other logs: what cannot be read there is ignored unless the line names a method or path."""
    packed: frozenset[str] = field(default=frozenset())
    """Keys whose objects may be written as a string of JSON."""
    finish: Callable[[Parsed, Mapping[str, Sequence[Any]]], None] | None = field(default=None)
    """Last changes to the columns read; gets the values of the targets that start with '_'."""

    def __post_init__(self) -> None:
        """Refuse targets that are not there."""
        unknown = {target for target in self.keys.values() if not target.startswith("_")} - set(TARGETS)
        if unknown:
            raise ValueError(f"dialect {self.name}: unknown targets {sorted(unknown)}")

    def matches(self, keys: Set[str]) -> bool:
        """Whether an object with these (top-level) keys is written in this dialect."""
        return not self.signature or any(required <= keys for required in self.signature)

    def with_keys(self, own: Mapping[str, str]) -> Dialect:
        """The dialect with a user's own keys before the built-in ones."""
        return replace(self, keys={**own, **{key: target for key, target in self.keys.items() if key not in own}})

    @cached_property
    def index(self) -> DialectIndex:
        """The look-ups, made once."""
        exact: dict[str, tuple[int, str]] = {}
        folded: dict[str, tuple[int, str]] = {}
        containers: set[str] = set()
        for rank, (path, target) in enumerate(self.keys.items()):
            exact[path] = (rank, target)
            # '@t' is no 't'.
            if len(path) > 4 or path.isalnum():
                folded.setdefault(fold_key(path), (rank, target))
            containers.update(fold_key(path[:place]) for place, letter in enumerate(path) if letter == "." and place)
        return DialectIndex(exact, folded, frozenset(containers))


@lru_cache(maxsize=4096)
def fold_key(key: str) -> str:
    """A key without case and separators; of Envoy's '%REQ(X-REQUEST-ID)%' the header's name.

    >>> fold_key("request_Id"), fold_key("%REQ(:AUTHORITY)%"), fold_key("http.request.id")
    ('requestid', 'authority', 'httprequestid')
    """
    header = _HEADER.fullmatch(key)
    return _SEPARATORS.sub("", (header.group(1) if header else key).lower())
