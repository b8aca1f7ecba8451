"""OTLP/JSON: one export request a line, as an OpenTelemetry Collector writes it; spans and log records.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hex, 64-bit integers are strings (numbers are taken too),
enums are numbers (names are taken too), unknown fields are ignored. Attribute names: the HTTP semantic conventions, stable
(`http.request.method`) and those before (`http.method`): https://opentelemetry.io/docs/specs/semconv/http/.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.json_lines import read_texts
from udfs.formats.otlp_attributes import Resources, attributes_of, read_attributes
from udfs.formats.otlp_metrics import read_metrics
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.categories import GRPC_CATEGORIES, read_categories
from udfs.formats.values.times import LATEST_US, TIMESTAMP, read_nanos

__all__ = ["OTLP_KEYS", "is_export", "read_exports"]

OTLP_KEYS = frozenset({"resourceSpans", "resourceLogs", "resourceMetrics"})

_KINDS = ("", "internal", "server", "client", "producer", "consumer")
_KIND_NAMES = {f"SPAN_KIND_{name.upper()}": name for name in _KINDS if name}
_ERROR = (2, "STATUS_CODE_ERROR", "2")
_ABSENT_IDS = frozenset({"", "0" * 16, "0" * 32})
_GRPC_KEYS = ("rpc.grpc.status_code", "rpc.response.status_code")


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
            places = _places(parsed.line, positions)
            parsed.position = places
            results.append(parsed)
    return results


def _parse(collected: _Records, read: Callable[[list[dict[str, Any]], Resources, NDArray[Any]], Parsed]) -> Iterator[Parsed]:
    if collected.broken:
        broken = Parsed(np.array([index for index, _ in collected.broken], np.int64))
        broken.refused = {row: Refusal("invalid_otlp", detail) for row, (_, detail) in enumerate(collected.broken)}
        yield broken
    if collected.records:
        yield read(collected.records, collected.resources, np.array(collected.lines, np.int64))


def _places(line: NDArray[Any], positions: NDArray[Any]) -> NDArray[Any]:
    """Running number of each row within its line, going on where `positions` stands (and moving it on). Lines are ascending."""
    if not len(line):
        return line
    starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]])
    counts = np.diff(np.r_[starts, len(line)])
    within = np.arange(len(line)) - np.repeat(starts, counts)
    places: NDArray[Any] = within + np.repeat(positions[line[starts]], counts)
    positions[line[starts]] += counts
    return places


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
    parsed = Parsed(line)
    start = read_nanos([s.get("startTimeUnixNano") for s in spans])
    end = read_nanos([s.get("endTimeUnixNano") for s in spans])
    bad = (start <= 0) | (start >= LATEST_US * 1_000)
    _refuse(parsed, bad, "invalid_timestamp", spans)
    # No end: the span was exported before it ended, its duration is not known.
    _refuse(parsed, ((end < start) & (end != 0)) | (end < 0), "invalid_duration", spans)
    attributes = [attributes_of(s.get("attributes")) for s in spans]
    columns = parsed.columns
    columns.update(read_attributes(parsed, attributes, spans))
    duration = pa.array((end - start) / 1e6, mask=end == 0)
    names = read_texts([s.get("name") for s in spans])
    columns.update(
        timestamp=pa.array(np.where(bad, 0, start) // 1_000).cast(TIMESTAMP),
        duration_ms=duration,
        trace_id=_ids(parsed, [s.get("traceId") for s in spans], 32, spans),
        span_id=_ids(parsed, [s.get("spanId") for s in spans], 16, spans),
        parent_span_id=_ids(parsed, [s.get("parentSpanId") for s in spans], 16, spans),
        span_name=names,
        span_kind=pa.array([_kind(s.get("kind")) for s in spans], pa.string()),
        kind=pa.repeat(pa.scalar("span"), len(spans)),
        format=pa.repeat(pa.scalar("otlp_traces"), len(spans)),
    )
    columns["error_category"] = _span_errors(columns, spans, attributes)
    resources.fill(columns)
    return parsed


def _read_logs(records: list[dict[str, Any]], resources: Resources, line: NDArray[Any]) -> Parsed:
    parsed = Parsed(line)
    time = read_nanos([r.get("timeUnixNano") for r in records])
    time = np.where(time == 0, read_nanos([r.get("observedTimeUnixNano") for r in records]), time)
    bad = (time < 0) | (time >= LATEST_US * 1_000)
    _refuse(parsed, bad, "invalid_timestamp", records)
    attributes = [attributes_of(r.get("attributes")) for r in records]
    columns = parsed.columns
    columns.update(read_attributes(parsed, attributes, records))
    columns.update(
        # No time at all: the broker's is filled in later.
        timestamp=pa.array(np.where(bad, 0, time) // 1_000, mask=time == 0).cast(TIMESTAMP),
        trace_id=_ids(parsed, [r.get("traceId") for r in records], 32, records),
        span_id=_ids(parsed, [r.get("spanId") for r in records], 16, records),
        severity_text=read_texts([r.get("severityText") for r in records]),
        body=read_texts([_body(r.get("body")) for r in records]),
        format=pa.repeat(pa.scalar("otlp_logs"), len(records)),
    )
    asked = [columns[name].is_valid() for name in ("http_request_method", "url_path") if name in columns]
    is_access = asked[0] if len(asked) == 1 else pc.or_(*asked) if asked else pa.repeat(pa.scalar(False), len(records))
    columns["kind"] = pc.if_else(is_access, "access", "log")
    if asked:
        columns["body"] = pc.if_else(is_access, pa.scalar(None, pa.string()), columns["body"])
    resources.fill(columns)
    return parsed


def _refuse(parsed: Parsed, bad: NDArray[Any], reason: str, records: list[dict[str, Any]]) -> None:
    for row in np.flatnonzero(bad).tolist():
        original = orjson.dumps(records[row])
        parsed.refused.setdefault(row, Refusal(reason, original[:200].decode(errors="replace"), original))


def _ids(parsed: Parsed, values: list[Any], digits: int, records: list[dict[str, Any]]) -> pa.Array:
    """Lower-case hex ids; all zeros and '' are none. Encoders that follow plain protobuf JSON write base64: decoded."""
    try:
        ids = pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        ids = pa.array([v if isinstance(v, str) else None if v is None else str(v) for v in values], pa.string())
    fine = pc.match_substring_regex(ids, f"^[0-9a-f]{{{digits}}}$").fill_null(True)
    odd = np.flatnonzero(~fine.to_numpy(zero_copy_only=False)).tolist()
    if odd:
        fixed = ids.to_pylist()
        broken = np.zeros(len(ids), bool)
        for row in odd:
            fixed[row] = _id(fixed[row], digits)
            broken[row] = fixed[row] is None
        _refuse(parsed, broken, "invalid_id", records)
        ids = pa.array(fixed, pa.string())
    zeros = pc.equal(ids, "0" * digits)
    return pc.if_else(zeros, "", ids) if pc.any(zeros).as_py() else ids


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
    if isinstance(value, int) and 0 <= value < len(_KINDS):
        return _KINDS[value]
    return _KIND_NAMES.get(value, "") if isinstance(value, str) else ""


def _span_errors(columns: dict[str, pa.Array], spans: list[dict[str, Any]], attributes: list[dict[str, Any]]) -> pa.Array:
    """Category of the HTTP status, else of the gRPC status; a span marked as failed without either is `backend`."""
    failed = [isinstance(status := s.get("status"), dict) and status.get("code") in _ERROR for s in spans]
    grpc = [_grpc_category(a) if any(key in a for key in _GRPC_KEYS) else "" for a in attributes]
    marked = pa.array(["backend" if f else "" for f in failed], pa.string())
    of_rpc = pa.array(grpc, pa.string())
    result = pc.if_else(pc.equal(of_rpc, ""), marked, of_rpc)
    if "http_response_status_code" in columns:
        of_status = read_categories(columns["http_response_status_code"])
        result = pc.if_else(pc.equal(of_status, ""), result, of_status)
    return result


def _grpc_category(attributes: dict[str, Any]) -> str:
    for key in _GRPC_KEYS:
        try:
            return GRPC_CATEGORIES.get(int(attributes.get(key)), "")  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
    return ""


def _body(body: object) -> object:
    """Text of a log body; structures as JSON."""
    if not isinstance(body, dict):
        return body
    text = body.get("stringValue")
    if text is not None:
        return text
    return attributes_of([{"key": "body", "value": body}]).get("body")
