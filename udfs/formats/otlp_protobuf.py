"""OTLP/protobuf: one export request a Kafka record, as the Collector's Kafka exporter writes it (`encoding: otlp_proto`).

https://github.com/open-telemetry/opentelemetry-proto. The protobuf library reads a message down to its records, which stay bytes:
`udfs/formats/values/protobuf_fields.py` reads those in bulk. Rows are those of the same export as OTLP/JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from udfs.formats.json_values import read_texts
from udfs.formats.otlp_attributes import Resources
from udfs.formats.otlp_metrics import read_metrics
from udfs.formats.otlp_records import SPAN_KINDS, Ids, LogColumns, SpanColumns, places, read_logs, read_spans
from udfs.formats.otlp_wire import AnyValues, attributes_in, kind_of_export, plain_value
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.json_bytes import json_bytes
from udfs.formats.values.protobuf_fields import WireFields, fields_of

__all__ = ["Export", "as_json", "read_export", "read_messages"]

_AS_BYTES = frozenset({"resource", "spans"})
_ERROR_CODE = 2
_LATEST = 2**63 - 1
_PADDING = bytes(16)
# Tags: field number << 3 | wire type.
_SPAN = {"trace_id": 0x0A, "span_id": 0x12, "parent_span_id": 0x22, "name": 0x2A, "kind": 0x30, "start": 0x39, "end": 0x41}
_RESOURCE_SPANS, _HOLDER_TAGS = 0x0A, frozenset({0x0A, 0x12, 0x1A})
_SPAN_ATTRIBUTES, _SPAN_STATUS, _STATUS_CODE = 0x4A, 0x7A, 0x18
_LOG = {"time": 0x09, "severity": 0x1A, "body": 0x2A, "attributes": 0x32, "trace_id": 0x4A, "span_id": 0x52, "observed": 0x59}


def _export_parser() -> Callable[[bytes], Any]:
    """Parser of export requests whose records stay bytes.

    Requests of spans, log records and metrics look the same down to their records, so one view of the published descriptors does for all.
    """
    pool = descriptor_pool.DescriptorPool()
    for published in (common_pb2, resource_pb2, trace_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        published.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type if published is trace_pb2 else ():
            for field in message.field:
                if field.name in _AS_BYTES:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindMessageTypeByName("opentelemetry.proto.trace.v1.TracesData")
    return message_factory.GetMessageClass(found).FromString


_parse = _export_parser()


class Export(NamedTuple):
    """An export request, its records still bytes."""

    kind: str
    """resourceSpans, resourceLogs, resourceMetrics; '' where there are no records."""
    holders: list[tuple[bytes, list[bytes]]]
    """Resources, each with its records."""


def read_export(record: bytes) -> Export | None:
    """The export request that the bytes of a Kafka record are; None where they are none.

    A text cannot pass: its second byte would have to tell its length, and control characters stand where records begin.

    Cost: 3 us a message and 0.2 us a record in it.
    """
    try:
        export = _parse(record)
    except DecodeError:
        return None
    holders = [(h.resource, list(chain.from_iterable(s.spans for s in h.scope_spans))) for h in export.resource_spans]
    kind = kind_of_export([span for _, spans in holders for span in spans[:1]])
    if kind is None and (any(spans for _, spans in holders) or not _is_empty_export(record)):
        return None
    return Export(kind or "", holders)


def _is_empty_export(record: bytes) -> bool:
    """Resources and scopes without records, and nothing that OTLP does not know."""
    for tag, start, end in fields_of(record, 0, len(record)) or [(0, 0, 0)]:
        inner = fields_of(record, start, end)
        if tag != _RESOURCE_SPANS or not inner or not {kind for kind, _, _ in inner} <= _HOLDER_TAGS:
            return False
    return True


def read_messages(exports: Sequence[Export], line: NDArray[Any]) -> list[Parsed]:
    """Spans, log records and metric points of export requests.

    Parameters
    ----------
    line : int64[n], the input line of each, ascending

    Cost: 2-3 us a span in batches of thousands.
    """
    results = []
    for kind, read in (("resourceSpans", _read_spans), ("resourceLogs", _read_logs), ("resourceMetrics", _read_metrics)):
        chosen = [place for place, export in enumerate(exports) if export.kind == kind]
        if chosen:
            records = _Records([exports[place] for place in chosen], line[chosen])
            if records.records:
                parsed = _refuse_broken(read(records), records)
                # A message holds records of one kind: their numbers within their line start at 0.
                parsed.position = places(parsed.line, np.zeros(int(parsed.line.max(initial=-1)) + 1, np.int64))
                results.append(parsed)
    return results


class _Records:
    """All records of one kind, flat, each with its line and its resource."""

    def __init__(self, exports: Sequence[Export], line: NDArray[Any]) -> None:
        holders = [holder for export in exports for holder in export.holders]
        self.records = list(chain.from_iterable(records for _, records in holders))
        counts = np.array([len(records) for _, records in holders], np.int64)
        lines = np.repeat(line, [len(export.holders) for export in exports])
        self.line = np.repeat(lines, counts)
        self.resources = Resources([_resource(resource) for resource, _ in holders], np.repeat(np.arange(len(counts)), counts))
        self.broken: list[int] = []
        """Records that are no messages."""

    def fields(self) -> WireFields:
        """Fields of all records."""
        end = np.cumsum(np.fromiter(map(len, self.records), np.int64, len(self.records)))
        data = np.frombuffer(b"".join(self.records) + _PADDING, np.uint8)
        fields = WireFields(data, np.r_[0, end[:-1]], end)
        self.broken = np.flatnonzero(fields.broken).tolist()
        return fields


def _refuse_broken(parsed: Parsed, found: _Records) -> Parsed:
    for row in found.broken:
        parsed.refused[row] = Refusal("invalid_otlp", "not a protobuf message", found.records[row])
    return parsed


@lru_cache(maxsize=1024)
def _resource(message: bytes) -> dict[str, Any]:
    """Attributes of a resource; there are few resources, and each comes again and again."""
    try:
        resource = resource_pb2.Resource.FromString(message)
    except DecodeError:
        return {}
    return {pair.key: plain_value(pair.value) for pair in resource.attributes}


def _read_spans(found: _Records) -> Parsed:
    fields, n = found.fields(), len(found.records)
    kinds = fields.varint(_SPAN["kind"], n)
    return read_spans(
        SpanColumns(
            line=found.line,
            resources=found.resources,
            attributes=attributes_in(fields, _SPAN_ATTRIBUTES, n),
            original=lambda row: _original(trace_pb2.Span, found.records[row]),
            trace_id=Ids(*fields.ids(_SPAN["trace_id"], 16, n)),
            span_id=Ids(*fields.ids(_SPAN["span_id"], 8, n)),
            start_ns=_nanos(fields.fixed64(_SPAN["start"], n)),
            end_ns=_nanos(fields.fixed64(_SPAN["end"], n)),
            parent_span_id=Ids(*fields.ids(_SPAN["parent_span_id"], 8, n)),
            names=read_texts(fields.texts(_SPAN["name"], n)),
            kinds=pa.array(SPAN_KINDS).take(pa.array(np.where((kinds >= 0) & (kinds < len(SPAN_KINDS)), kinds, 0))),
            failed=_failed(fields, n),
        )
    )


def _failed(fields: WireFields, n: int) -> NDArray[Any]:
    """bool[n]: the code in the span's status is an error."""
    row, start, end = fields.last(_SPAN_STATUS)
    codes = WireFields(fields.data, start, end).varint(_STATUS_CODE, len(row))
    failed = np.zeros(n, bool)
    failed[row] = codes == _ERROR_CODE
    return failed


def _read_logs(found: _Records) -> Parsed:
    fields, n = found.fields(), len(found.records)
    time = _nanos(fields.fixed64(_LOG["time"], n))
    return read_logs(
        LogColumns(
            line=found.line,
            resources=found.resources,
            attributes=attributes_in(fields, _LOG["attributes"], n),
            original=lambda row: _original(logs_pb2.LogRecord, found.records[row]),
            trace_id=Ids(*fields.ids(_LOG["trace_id"], 16, n)),
            span_id=Ids(*fields.ids(_LOG["span_id"], 8, n)),
            time_ns=np.where(time == 0, _nanos(fields.fixed64(_LOG["observed"], n)), time),
            severity=read_texts(fields.texts(_LOG["severity"], n)),
            bodies=_bodies(fields, n),
        )
    )


def _bodies(fields: WireFields, n: int) -> pa.Array:
    row, start, end = fields.last(_LOG["body"])
    values = AnyValues(fields.data, start, end)
    if len(row) == n and values.is_text.all():
        return read_texts(values.texts())
    bodies: list[Any] = [None] * n
    for place, value in zip(row.tolist(), values.values(), strict=True):
        bodies[place] = value
    return read_texts(bodies)


def _read_metrics(found: _Records) -> Parsed:
    """By way of OTLP/JSON: a metric mostly holds one point, so that there is nothing to gain by columns."""
    metrics: list[dict[str, Any]] = []
    for record in found.records:
        try:
            metrics.append(as_json(metrics_pb2.Metric.FromString(record)))
        except DecodeError:
            metrics.append({"name": "not a protobuf message", "gauge": {"dataPoints": [{}]}})
    return read_metrics(metrics, found.resources, found.line)


def _original(kind: type[Message], record: bytes) -> bytes:
    """The record as OTLP/JSON, which people can read and mend."""
    try:
        return json_bytes(as_json(kind.FromString(record))) or record
    except DecodeError:
        return record


def _nanos(times: NDArray[Any]) -> NDArray[Any]:
    return np.where(times > _LATEST, -1, times.astype(np.int64))


def as_json(message: Message) -> dict[str, Any]:
    """OTLP/JSON of a message: that of protobuf but for hexadecimal ids (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).

    Cost: some 50 us a record: for what cannot be read, and for metrics.
    """
    value: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    _ids_to_hex(value)
    return value


def _ids_to_hex(value: Any) -> None:
    import base64

    if isinstance(value, list):
        for item in value:
            _ids_to_hex(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ("traceId", "spanId", "parentSpanId") and isinstance(inner, str):
                value[key] = base64.b64decode(inner).hex()
            elif isinstance(inner, (dict, list)):
                _ids_to_hex(inner)
