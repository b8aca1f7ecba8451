"""Spans and log records of OTLP as events, whichever encoding they came in.

Attribute names: the HTTP semantic conventions, stable (`http.request.method`) and those before (`http.method`):
https://opentelemetry.io/docs/specs/semconv/http/.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.otlp_attributes import GRPC_KEYS, Attributes, Resources, read_attributes
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.categories import GRPC_CATEGORIES, read_categories
from udfs.formats.values.times import LATEST_US, TIMESTAMP

__all__ = ["SPAN_KINDS", "Ids", "LogColumns", "SpanColumns", "places", "read_logs", "read_spans"]

SPAN_KINDS = ("", "internal", "server", "client", "producer", "consumer")
"""Names of the enum SpanKind, by number."""


@dataclass(frozen=True)
class Ids:
    """Hexadecimal ids, lower case; '' where there is none."""

    texts: pa.Array
    bad: NDArray[Any] | None
    """bool[n]: of the wrong length, or no hexadecimal digits; None = all fine."""


@dataclass(frozen=True)
class _Records:
    line: NDArray[Any]
    """int64[n]: the input line of each."""
    resources: Resources
    attributes: Attributes
    original: Callable[[int], bytes | None]
    """OTLP/JSON of one record: what its dead letter keeps."""
    trace_id: Ids
    span_id: Ids


@dataclass(frozen=True)
class SpanColumns(_Records):
    """Spans, column by column."""

    start_ns: NDArray[Any]
    """int64[n]: epoch ns; 0 = absent, -1 = no number."""
    end_ns: NDArray[Any]
    parent_span_id: Ids
    names: pa.Array
    kinds: pa.Array
    """Names of `SPAN_KINDS`."""
    failed: NDArray[Any]
    """bool[n]: the status is an error."""


@dataclass(frozen=True)
class LogColumns(_Records):
    """Log records, column by column."""

    time_ns: NDArray[Any]
    """int64[n]: epoch ns, else when it was observed; 0 = absent, -1 = no number."""
    severity: pa.Array
    bodies: pa.Array


def places(line: NDArray[Any], positions: NDArray[Any]) -> NDArray[Any]:
    """Running number of each row within its line, going on where `positions` stands (and moving it on). Lines are ascending."""
    if not len(line):
        return line
    starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]])
    counts = np.diff(np.r_[starts, len(line)])
    within = np.arange(len(line)) - np.repeat(starts, counts)
    result: NDArray[Any] = within + np.repeat(positions[line[starts]], counts)
    positions[line[starts]] += counts
    return result


def read_spans(spans: SpanColumns) -> Parsed:
    """Events of spans."""
    parsed = Parsed(spans.line)
    start, end = spans.start_ns, spans.end_ns
    bad = (start <= 0) | (start >= LATEST_US * 1_000)
    _refuse(parsed, bad, "invalid_timestamp", spans)
    # No end: the span was exported before it ended, its duration is not known.
    _refuse(parsed, ((end < start) & (end != 0)) | (end < 0), "invalid_duration", spans)
    columns = parsed.columns
    columns.update(read_attributes(parsed, spans.attributes, spans.original))
    n = len(spans.line)
    columns.update(
        timestamp=pa.array(np.where(bad, 0, start) // 1_000).cast(TIMESTAMP),
        duration_ms=pa.array((end - start) / 1e6, mask=end == 0),
        trace_id=_ids(parsed, spans.trace_id, spans),
        span_id=_ids(parsed, spans.span_id, spans),
        parent_span_id=_ids(parsed, spans.parent_span_id, spans),
        span_name=spans.names,
        span_kind=spans.kinds,
        kind=pa.repeat(pa.scalar("span"), n),
        format=pa.repeat(pa.scalar("otlp_traces"), n),
    )
    columns["error_category"] = _span_errors(columns, spans)
    spans.resources.fill(columns)
    return parsed


def read_logs(records: LogColumns) -> Parsed:
    """Events of log records; one that tells a method or path is an access line."""
    parsed = Parsed(records.line)
    n, time = len(records.line), records.time_ns
    bad = (time < 0) | (time >= LATEST_US * 1_000)
    _refuse(parsed, bad, "invalid_timestamp", records)
    columns = parsed.columns
    columns.update(read_attributes(parsed, records.attributes, records.original))
    columns.update(
        # No time at all: the broker's is filled in later.
        timestamp=pa.array(np.where(bad, 0, time) // 1_000, mask=time == 0).cast(TIMESTAMP),
        trace_id=_ids(parsed, records.trace_id, records),
        span_id=_ids(parsed, records.span_id, records),
        severity_text=records.severity,
        body=records.bodies,
        format=pa.repeat(pa.scalar("otlp_logs"), n),
    )
    asked = [columns[name].is_valid() for name in ("http_request_method", "url_path") if name in columns]
    is_access = asked[0] if len(asked) == 1 else pc.or_(*asked) if asked else pa.repeat(pa.scalar(False), n)
    columns["kind"] = pc.if_else(is_access, "access", "log")
    if asked:
        columns["body"] = pc.if_else(is_access, pa.scalar(None, pa.string()), columns["body"])
    records.resources.fill(columns)
    return parsed


def _refuse(parsed: Parsed, bad: NDArray[Any], reason: str, records: _Records) -> None:
    for row in np.flatnonzero(bad).tolist():
        original = records.original(row)
        parsed.refused.setdefault(row, Refusal(reason, (original or b"nested too deeply")[:200].decode(errors="replace"), original))


def _ids(parsed: Parsed, ids: Ids, records: _Records) -> pa.Array:
    if ids.bad is not None:
        _refuse(parsed, ids.bad, "invalid_id", records)
    return ids.texts


def _span_errors(columns: dict[str, pa.Array], spans: SpanColumns) -> pa.Array:
    """Category of the HTTP status, else of the gRPC status; a span marked as failed without either is `backend`."""
    result = pc.if_else(pa.array(spans.failed), "backend", "")
    for key in reversed(GRPC_KEYS):
        if key in spans.attributes.present:
            of_rpc = pa.array([_grpc_category(value) for value in _values(spans.attributes.column(key))], pa.string())
            result = pc.if_else(pc.equal(of_rpc, ""), result, of_rpc)
    if "http_response_status_code" in columns:
        of_status = read_categories(columns["http_response_status_code"])
        result = pc.if_else(pc.equal(of_status, ""), result, of_status)
    return result


def _values(column: Any) -> Any:
    return column.to_pylist() if isinstance(column, pa.Array) else column


def _grpc_category(value: Any) -> str:
    try:
        return GRPC_CATEGORIES.get(int(value), "")
    except (TypeError, ValueError):
        return ""
