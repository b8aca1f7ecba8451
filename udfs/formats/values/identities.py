"""Ids of requests and traces as headers write them: W3C, B3, AWS, Google, Azure and Jaeger.

https://www.w3.org/TR/trace-context/#traceparent-header, https://github.com/openzipkin/b3-propagation,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html,
https://docs.cloud.google.com/trace/docs/trace-context, https://github.com/dotnet/runtime (Hierarchical Request-Id),
https://www.jaegertracing.io/sdk-migration/#propagation-format (uber-trace-id).
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Identities", "read_identities", "read_trace_headers"]

_TEXT = pa.string()
_NULL = pa.scalar(None, _TEXT)
_ID = r"^[0-9A-Za-z_.:/+=@~-]{1,200}$"
_ZEROS = r"^0+$"
# Each gives trace and span; the first that matches counts. Hex digits may be capitals.
_HEADERS = (
    # W3C: version-trace-parent-flags; of later versions more may follow.
    r"^(?i:[0-9a-e][0-9a-f]|f[0-9a-e])-(?P<trace>[0-9A-Fa-f]{32})-(?P<span>[0-9A-Fa-f]{16})-[0-9A-Fa-f]{2}(?:-.*)?$",
    # B3 in one header: trace-span-sampled-parent.
    r"^(?P<trace>[0-9A-Fa-f]{32}|[0-9A-Fa-f]{16})-(?P<span>[0-9A-Fa-f]{16})(?:-[01d])?(?:-[0-9A-Fa-f]{16})?$",
    # Jaeger: trace:span:parent:flags, leading zeros may be left out.
    r"^(?P<trace>[0-9A-Fa-f]{1,32}):(?P<span>[0-9A-Fa-f]{1,16}):[0-9A-Fa-f]{1,16}:[0-9A-Fa-f]{1,2}$",
    # Google: trace/span;o=1, the span in decimal digits (read apart).
    r"^(?:projects/[^/]+/traces/)?(?P<trace>[0-9A-Fa-f]{32})(?P<span>)(?:/\d{1,20})?(?:;o=\d+)?$",
)
_AMAZON = r"(?:^|;) *(?:[Rr]oot=)?1-(?P<time>[0-9A-Fa-f]{8})-(?P<rest>[0-9A-Fa-f]{24}) *(?:;|$)"
_AMAZON_SELF = r"(?:^|;) *[Ss]elf=1-(?P<time>[0-9A-Fa-f]{8})-(?P<rest>[0-9A-Fa-f]{24}) *(?:;|$)"
_AMAZON_PARENT = r"(?:^|;) *[Pp]arent=(?P<span>[0-9A-Fa-f]{16}) *(?:;|$)"
_AZURE = r"^\|(?P<trace>[0-9A-Za-z-]+)\.(?:[0-9A-Za-z_.-]*?\.)??(?:(?P<span>[0-9A-Fa-f]{16})(?:_[0-9A-Fa-f]+)?[._]?)?[^|]*$"
_GOOGLE_SPAN = r"^[^;]*[0-9A-Fa-f]{32}/(?P<span>\d{1,20})(?:;|$)"


class Identities(NamedTuple):
    """Ids within texts; null where a text has none."""

    trace_id: pa.Array
    """32 hex digits in lower case."""
    span_id: pa.Array
    """16 hex digits: the span that sent the header, so the parent of what the receiver does."""
    request_id: pa.Array
    """Ids of any other writing, as they are."""


def read_identities(texts: pa.Array) -> Identities:
    """The ids in headers of any of the known kinds.

    Parameters
    ----------
    texts : string array: values of traceparent, b3, X-B3-TraceId, X-Amzn-Trace-Id, X-Cloud-Trace-Context, uber-trace-id, Request-Id,
        X-Request-ID

    Returns
    -------
    A bare id of 32 hex digits is taken for a trace's, one with dashes or of another length for a request's.

    Cost: 0.5-2 us a text, by how many kinds are among them.
    """
    trace, span = read_trace_headers(texts)
    plain = pc.and_(pc.match_substring_regex(texts, _ID), trace.is_null())
    sampled_only = pc.is_in(texts, pa.array(["0", "1", "d", "-"]))  # b3: the decision alone
    request = pc.if_else(pc.and_(plain, pc.invert(sampled_only)), texts, _NULL)
    return Identities(trace, span, request)


def read_trace_headers(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Trace and span of texts that are trace headers of any kind; both null for others, e.g. UUIDs."""
    texts = pc.replace_substring(pc.utf8_trim_whitespace(texts), "%3A", ":")
    trace = span = pa.nulls(len(texts), _TEXT)
    left = texts
    for header in _HEADERS:
        parts = pc.extract_regex(left, header)
        if parts.null_count < len(parts):
            trace, span, left = _take(parts, trace, span, left)
    if pc.any(pc.match_substring_regex(left, "1-[0-9A-Fa-f]{8}-")).as_py():
        for kind in (_AMAZON, _AMAZON_SELF):
            parts = pc.extract_regex(left, kind)
            root = pc.if_else(parts.is_valid(), pc.binary_join_element_wise(parts.field(0), parts.field(1), ""), _NULL)
            trace = pc.coalesce(trace, root)
        parent = pc.extract_regex(left, _AMAZON_PARENT)
        span = pc.coalesce(span, pc.if_else(parent.is_valid(), parent.field(0), _NULL))
    if pc.any(pc.starts_with(left, "|")).as_py():
        parts = pc.extract_regex(left, _AZURE)
        bare = pc.replace_substring(parts.field(0), "-", "")
        is_trace = pc.match_substring_regex(bare, "^[0-9A-Fa-f]{32}$").fill_null(False)
        trace = pc.coalesce(trace, pc.if_else(pc.and_(parts.is_valid(), is_trace), bare, _NULL))
        span = pc.coalesce(span, pc.if_else(pc.and_(parts.is_valid(), is_trace), parts.field(1), _NULL))
    span = pc.coalesce(pc.if_else(pc.equal(span, ""), _NULL, span), _google_spans(texts))
    return _hex(trace, 32), _hex(span, 16)


def _take(parts: pa.Array, trace: pa.Array, span: pa.Array, left: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    found = parts.is_valid()
    trace = pc.coalesce(trace, pc.if_else(found, parts.field(0), _NULL))
    span = pc.coalesce(span, pc.if_else(found, parts.field(1), _NULL))
    return trace, span, pc.if_else(found, _NULL, left)


def _google_spans(texts: pa.Array) -> pa.Array:
    """Decimal span ids as 16 hex digits. Cost: one Python call per text that has one."""
    parts = pc.extract_regex(texts, _GOOGLE_SPAN)
    if parts.null_count == len(parts):
        return pa.nulls(len(texts), _TEXT)
    numbers = pc.if_else(parts.is_valid(), parts.field(0), _NULL).to_pylist()
    return pa.array([None if number is None or int(number) >= 1 << 64 else f"{int(number):016x}" for number in numbers], _TEXT)


def _hex(ids: pa.Array, digits: int) -> pa.Array:
    """Lower case, filled up with zeros; null for nothing but zeros, which no standard allows."""
    padded = pc.ascii_lpad(pc.ascii_lower(ids), digits, "0")
    return pc.if_else(pc.match_substring_regex(padded, _ZEROS), _NULL, padded)
