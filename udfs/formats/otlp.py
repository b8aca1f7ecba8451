"""OTLP/JSON: one export request a line, as an OpenTelemetry Collector writes it; spans, log records and metrics.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hex, 64-bit integers are strings (numbers are taken too),
enums are numbers (names are taken too), unknown fields are ignored.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.json_tree import cut
from udfs.formats.json_values import read_texts
from udfs.formats.otlp_attributes import JsonAttributes, Resources, attributes_of, value_of
from udfs.formats.otlp_metrics import read_metrics
from udfs.formats.otlp_records import SPAN_KINDS, Ids, LogColumns, SpanColumns, places, read_logs, read_spans
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.json_bytes import json_bytes
from udfs.formats.values.times import read_nanos

__all__ = ["OTLP_KEYS", "Exports", "is_export", "is_sure_export", "read_exports"]

OTLP_KEYS = frozenset({"resourceSpans", "resourceLogs", "resourceMetrics"})

_KIND_NAMES = {f"SPAN_KIND_{name.upper()}": name for name in SPAN_KINDS if name}
_KINDS = pa.array(SPAN_KINDS, pa.string())
_ERROR = (2, "STATUS_CODE_ERROR", "2")
_ABSENT_IDS = frozenset({"", "0" * 16, "0" * 32})


def is_export(value: object) -> bool:
    """Whether a JSON value is an OTLP export request."""
    return isinstance(value, dict) and not OTLP_KEYS.isdisjoint(value)


def is_sure_export(value: dict[str, Any]) -> bool:
    """Whether an object holds nothing but exports."""
    return bool(value) and value.keys() <= OTLP_KEYS


def read_exports(exports: Sequence[dict[str, Any]], line: NDArray[Any]) -> list[Parsed]:
    """Spans, log records and metric points of export requests; `line` is the input line of each, ascending.

    Records keep their order within the line: `position` counts spans, then log records, then data points. A record that cannot be read
    is refused alone, with its own JSON as the original.
    """
    gathered = Exports()
    gathered.add(exports, range(len(exports)), lambda place: exports[place])
    return gathered.read(line)


class Exports:
    """Export requests as columns that grow chunk by chunk, so that their objects can be dropped while they are in the processor's cache.

    Cost: 4 us a span of 600 bytes and six attributes, of which the JSON takes 1.5.
    """

    def __init__(self) -> None:
        self._spans = _Spans("resourceSpans", "scopeSpans", "spans")
        self._logs = _Logs("resourceLogs", "scopeLogs", "logRecords")
        self._metrics = _Metrics("resourceMetrics", "scopeMetrics", "metrics")

    def add(self, exports: Sequence[dict[str, Any]], line: Sequence[int], again: Callable[[int], dict[str, Any]]) -> None:
        """Append exports.

        Parameters
        ----------
        line : place of each in what `read` is given
        again : gives the i-th export once more, for the dead letters of its records
        """
        for records in (self._spans, self._logs, self._metrics):
            records.add(exports, line, again)

    def read(self, line: NDArray[Any]) -> list[Parsed]:
        """Results; `line` is the input line of each place."""
        if not len(line):
            return []
        positions = np.zeros(int(line.max()) + 1, np.int64)
        results = []
        for collected in (self._spans, self._logs, self._metrics):
            for parsed in collected.parse():
                parsed.line = line[parsed.line]
                parsed.position = places(parsed.line, positions)
                results.append(parsed)
        return results


class _Records:
    """All records of one kind, flat, each with its line and its resource. Loops over scopes, not over records."""

    def __init__(self, name: str, inner: str, records: str) -> None:
        self._names = name, inner, records
        self.lines: list[int] = []
        self.broken: list[tuple[int, str]] = []
        """Lines in which something is no object or list where OTLP has one, and what."""
        self._attributes: list[dict[str, Any]] = []
        self._of_record: list[int] = []
        self._origins: list[tuple[int, Callable[[], dict[str, Any]]]] = []
        """First record of each export, and what gives the export again."""

    def add(self, exports: Sequence[dict[str, Any]], line: Sequence[int], again: Callable[[int], dict[str, Any]]) -> None:
        """Append the records of exports."""
        name = self._names[0]
        found: list[dict[str, Any]] = []
        for place, (export, index) in enumerate(zip(exports, line, strict=True)):
            if name in export:
                self._origins.append((len(self.lines), partial(again, place)))
                found.extend(self._flat(export, index))
        if found:
            self.cut(found)

    def cut(self, records: list[dict[str, Any]]) -> None:
        """Take what is read of the records; they are dropped afterwards."""
        raise NotImplementedError

    def read(self, resources: Resources, line: NDArray[Any]) -> Parsed:
        """Rows of all records."""
        raise NotImplementedError

    def parse(self) -> Iterator[Parsed]:
        """Rows of what is no OTLP, and of the records."""
        if self.broken:
            broken = Parsed(np.array([index for index, _ in self.broken], np.int64))
            broken.refused = {row: Refusal("invalid_otlp", detail) for row, (_, detail) in enumerate(self.broken)}
            yield broken
        if self.lines:
            yield self.read(Resources(self._attributes, np.array(self._of_record, np.int64)), np.array(self.lines, np.int64))

    def original(self, row: int) -> bytes | None:
        """JSON of one record."""
        first, again = self._origins[bisect_right(self._origins, row, key=itemgetter(0)) - 1]
        name, inner, records = self._names
        other = type(self)(name, inner, records)
        return json_bytes(other._flat(again(), 0)[row - first])

    def _flat(self, export: dict[str, Any], index: int) -> list[dict[str, Any]]:
        name, inner, records = self._names
        flat: list[dict[str, Any]] = []
        for holder in self._objects(export.get(name), index, name):
            resource = holder.get("resource")
            self._attributes.append(attributes_of(resource.get("attributes")) if isinstance(resource, dict) else {})
            scopes = holder.get(inner, holder.get("instrumentationLibrarySpans"))
            for scope in self._objects(scopes, index, inner):
                found = self._objects(scope.get(records), index, records)
                flat.extend(found)
                self.lines.extend([index] * len(found))
                self._of_record.extend([len(self._attributes) - 1] * len(found))
        return flat

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


class _Columned(_Records):
    """Records of which some keys are kept."""

    keys: tuple[str, ...] = ()

    def __init__(self, name: str, inner: str, records: str) -> None:
        super().__init__(name, inner, records)
        self.columns: dict[str, list[Any]] = {key: [] for key in self.keys}
        self.attributes = JsonAttributes()

    def cut(self, records: list[dict[str, Any]]) -> None:
        """Take the values of the keys."""
        for key, column in self.columns.items():
            column.extend(cut(records, key))
        self.attributes.add(cut(records, "attributes"))


class _Spans(_Columned):
    keys = ("traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "name", "kind", "status")

    def read(self, resources: Resources, line: NDArray[Any]) -> Parsed:
        """Events of spans."""
        columns = self.columns
        return read_spans(
            SpanColumns(
                line=line,
                resources=resources,
                attributes=self.attributes,
                original=self.original,
                trace_id=_ids(columns["traceId"], 32),
                span_id=_ids(columns["spanId"], 16),
                start_ns=read_nanos(columns["startTimeUnixNano"]),
                end_ns=read_nanos(columns["endTimeUnixNano"]),
                parent_span_id=_ids(columns["parentSpanId"], 16),
                names=read_texts(columns["name"]),
                kinds=_kinds(columns["kind"]),
                failed=np.array([type(status) is dict and status.get("code") in _ERROR for status in columns["status"]], bool),
            )
        )


class _Logs(_Columned):
    keys = ("traceId", "spanId", "timeUnixNano", "observedTimeUnixNano", "severityText", "body")

    def read(self, resources: Resources, line: NDArray[Any]) -> Parsed:
        """Events of log records."""
        columns = self.columns
        time = read_nanos(columns["timeUnixNano"])
        return read_logs(
            LogColumns(
                line=line,
                resources=resources,
                attributes=self.attributes,
                original=self.original,
                trace_id=_ids(columns["traceId"], 32),
                span_id=_ids(columns["spanId"], 16),
                time_ns=np.where(time == 0, read_nanos(columns["observedTimeUnixNano"]), time),
                severity=read_texts(columns["severityText"]),
                bodies=read_texts(list(map(_body, columns["body"]))),
            )
        )


class _Metrics(_Records):
    def __init__(self, name: str, inner: str, records: str) -> None:
        super().__init__(name, inner, records)
        self._metrics: list[dict[str, Any]] = []

    def cut(self, records: list[dict[str, Any]]) -> None:
        """Metrics hold few points each: there is nothing to gain by columns."""
        self._metrics += records

    def read(self, resources: Resources, line: NDArray[Any]) -> Parsed:
        """Metric points."""
        return read_metrics(self._metrics, resources, line)


def _ids(values: list[Any], digits: int) -> Ids:
    """Lower-case hex ids; all zeros and '' are none. Encoders that follow plain protobuf JSON write base64: decoded."""
    try:
        ids = pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        ids = pa.array([v if isinstance(v, str) else None if v is None else str(v) for v in values], pa.string())
    odd = _odd_ids(ids, digits)
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


def _odd_ids(ids: pa.Array, digits: int) -> list[int]:
    """Rows that are neither null nor as many lower-case hexadecimal digits; '' counts as odd."""
    lengths = pc.min_max(pc.binary_length(ids)).as_py()
    start, stop = ids.offset, ids.offset + len(ids)
    if lengths["min"] == lengths["max"] == digits:
        offsets = np.frombuffer(ids.buffers()[1], np.int32)
        if not ids.buffers()[2].to_pybytes()[int(offsets[start]) : int(offsets[stop])].translate(None, b"0123456789abcdef"):
            return []
    fine = pc.match_substring_regex(ids, f"^[0-9a-f]{{{digits}}}$").fill_null(True)
    odd: list[int] = np.flatnonzero(~fine.to_numpy(zero_copy_only=False)).tolist()
    return odd


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


def _kinds(values: list[Any]) -> pa.Array:
    if set(map(type, values)) == {int}:
        codes = np.array([value if 0 <= value < len(SPAN_KINDS) else 0 for value in values], np.int64)
        return _KINDS.take(pa.array(codes))
    return pa.array([_kind(value) for value in values], pa.string())


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
