"""OTLP/JSON: one export request a line, as an OpenTelemetry Collector writes it; spans, log records and metrics.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hex, 64-bit integers are strings (numbers are taken too),
enums are numbers (names are taken too), unknown fields are ignored.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.json_values import read_texts
from udfs.formats.otlp_attributes import JsonAttributes, Resources, attributes_of, value_of
from udfs.formats.otlp_metrics import read_metrics
from udfs.formats.otlp_records import SPAN_KINDS, Ids, LogColumns, SpanColumns, places, read_logs, read_spans
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.json_bytes import json_bytes
from udfs.formats.values.times import read_nanos

__all__ = ["OTLP_KEYS", "is_export", "read_exports"]

OTLP_KEYS = frozenset({"resourceSpans", "resourceLogs", "resourceMetrics"})

_KIND_NAMES = {f"SPAN_KIND_{name.upper()}": name for name in SPAN_KINDS if name}
_ERROR = (2, "STATUS_CODE_ERROR", "2")
_ABSENT_IDS = frozenset({"", "0" * 16, "0" * 32})


def is_export(value: object) -> bool:
    """Whether a JSON value is an OTLP export request."""
    return isinstance(value, dict) and not OTLP_KEYS.isdisjoint(value)


def read_exports(exports: Sequence[dict[str, Any]], line: NDArray[Any]) -> list[Parsed]:
    """Spans, log records and metric points of export requests.

    Records keep their order within the line: `position` counts spans, then log records, then data points. A record that cannot be read
    is refused alone, with its own JSON as the original.

    Cost: 6-8 us a span, of which the JSON takes 1.5.
    """
    positions = np.zeros(int(line.max(initial=-1)) + 1, np.int64)
    results = []
    for name, inner, records, read in (
        ("resourceSpans", "scopeSpans", "spans", _read_spans),
        ("resourceLogs", "scopeLogs", "logRecords", _read_logs),
        ("resourceMetrics", "scopeMetrics", "metrics", read_metrics),
    ):
        collected = _Records(exports, line, name, inner, records)
        if not collected.records and not collected.broken:
            continue
        for parsed in _parse(collected, read):
            parsed.position = places(parsed.line, positions)
            results.append(parsed)
    return results


def _parse(collected: _Records, read: Callable[[list[dict[str, Any]], Resources, NDArray[Any]], Parsed]) -> Iterator[Parsed]:
    if collected.broken:
        broken = Parsed(np.array([index for index, _ in collected.broken], np.int64))
        broken.refused = {row: Refusal("invalid_otlp", detail) for row, (_, detail) in enumerate(collected.broken)}
        yield broken
    if collected.records:
        yield read(collected.records, collected.resources, np.array(collected.lines, np.int64))


class _Records:
    """All records of one kind, flat, each with its line and its resource. Loops over scopes, not over records."""

    def __init__(self, exports: Sequence[dict[str, Any]], line: NDArray[Any], name: str, inner: str, records: str) -> None:
        self.records: list[dict[str, Any]] = []
        self.lines: list[int] = []
        self.broken: list[tuple[int, str]] = []
        """Lines in which something is no object or list where OTLP has one, and what."""
        attributes: list[dict[str, Any]] = []
        of_record: list[int] = []
        for export, index in zip(exports, line.tolist(), strict=True):
            for holder in self._objects(export.get(name), index, name):
                resource = holder.get("resource")
                attributes.append(attributes_of(resource.get("attributes")) if isinstance(resource, dict) else {})
                scopes = holder.get(inner, holder.get("instrumentationLibrarySpans"))
                for scope in self._objects(scopes, index, inner):
                    found = self._objects(scope.get(records), index, records)
                    self.records.extend(found)
                    self.lines.extend([index] * len(found))
                    of_record.extend([len(attributes) - 1] * len(found))
        self.resources = Resources(attributes, np.array(of_record, np.int64))

    def _objects(self, value: object, index: int, name: str) -> list[dict[str, Any]]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.broken.append((index, f"{name} is no list"))
            return []
        if set(map(type, value)) <= {dict}:
            return value
        self.broken.append((index, f"{name} holds something that is no object"))
        return [item for item in value if isinstance(item, dict)]


def _read_spans(spans: list[dict[str, Any]], resources: Resources, line: NDArray[Any]) -> Parsed:
    return read_spans(
        SpanColumns(
            line=line,
            resources=resources,
            attributes=JsonAttributes([s.get("attributes") for s in spans]),
            original=lambda row: json_bytes(spans[row]),
            trace_id=_ids([s.get("traceId") for s in spans], 32),
            span_id=_ids([s.get("spanId") for s in spans], 16),
            start_ns=read_nanos([s.get("startTimeUnixNano") for s in spans]),
            end_ns=read_nanos([s.get("endTimeUnixNano") for s in spans]),
            parent_span_id=_ids([s.get("parentSpanId") for s in spans], 16),
            names=read_texts([s.get("name") for s in spans]),
            kinds=pa.array([_kind(s.get("kind")) for s in spans], pa.string()),
            failed=np.array([isinstance(status := s.get("status"), dict) and status.get("code") in _ERROR for s in spans], bool),
        )
    )


def _read_logs(records: list[dict[str, Any]], resources: Resources, line: NDArray[Any]) -> Parsed:
    time = read_nanos([r.get("timeUnixNano") for r in records])
    return read_logs(
        LogColumns(
            line=line,
            resources=resources,
            attributes=JsonAttributes([r.get("attributes") for r in records]),
            original=lambda row: json_bytes(records[row]),
            trace_id=_ids([r.get("traceId") for r in records], 32),
            span_id=_ids([r.get("spanId") for r in records], 16),
            time_ns=np.where(time == 0, read_nanos([r.get("observedTimeUnixNano") for r in records]), time),
            severity=read_texts([r.get("severityText") for r in records]),
            bodies=read_texts([_body(r.get("body")) for r in records]),
        )
    )


def _ids(values: list[Any], digits: int) -> Ids:
    """Lower-case hex ids; all zeros and '' are none. Encoders that follow plain protobuf JSON write base64: decoded."""
    try:
        ids = pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        ids = pa.array([v if isinstance(v, str) else None if v is None else str(v) for v in values], pa.string())
    fine = pc.match_substring_regex(ids, f"^[0-9a-f]{{{digits}}}$").fill_null(True)
    odd = np.flatnonzero(~fine.to_numpy(zero_copy_only=False)).tolist()
    broken: NDArray[Any] | None = None
    if odd:
        fixed = ids.to_pylist()
        broken = np.zeros(len(ids), bool)
        for row in odd:
            fixed[row] = _id(fixed[row], digits)
            broken[row] = fixed[row] is None
        ids = pa.array(fixed, pa.string())
    zeros = pc.equal(ids, "0" * digits)
    return Ids(pc.if_else(zeros, "", ids) if pc.any(zeros).as_py() else ids, broken)


def _id(text: str, digits: int) -> str | None:
    lower = text.lower()
    if lower in _ABSENT_IDS:
        return ""
    if len(lower) == digits and all(c in "0123456789abcdef" for c in lower):
        return lower
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) * 2 == digits else None


def _kind(value: object) -> str:
    if isinstance(value, int) and 0 <= value < len(SPAN_KINDS):
        return SPAN_KINDS[value]
    return _KIND_NAMES.get(value, "") if isinstance(value, str) else ""


def _body(body: object) -> object:
    """Text of a log body; structures as JSON."""
    if not isinstance(body, dict):
        return body
    text = body.get("stringValue")
    return text if text is not None else value_of(body)
