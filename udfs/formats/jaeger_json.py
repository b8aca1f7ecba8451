"""Jaeger spans as JSON: one span as the Kafka exporter's `jaeger_json` writes it, or the answer of the query API.

https://www.jaegertracing.io/docs/latest/apis/ and `model.proto` of jaeger-idl: the API writes ids in hex, times in microseconds and
tags as {key, type, value}; protobuf's JSON writes ids in base64, RFC 3339 times, durations like '0.005s' and tags as {key, vType, vStr}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.otlp_attributes import Resources
from udfs.formats.otlp_records import SpanColumns, places, read_spans
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.json_bytes import json_bytes
from udfs.formats.values.plain_attributes import PlainAttributes, microseconds, padded_ids
from udfs.formats.values.quantities import duration_ms
from udfs.formats.values.times import time_us

__all__ = ["JAEGER_SIGNATURES", "read_jaeger"]

JAEGER_SIGNATURES = (
    frozenset({"traceID", "spanID", "operationName"}),
    frozenset({"traceId", "spanId", "operationName", "process"}),
    frozenset({"traceID", "spans", "processes"}),
    frozenset({"data", "total", "limit"}),
)


def read_jaeger(objects: list[dict[str, Any]], line: NDArray[Any]) -> tuple[list[Parsed], list[int]]:
    """Events of spans; `position` counts the spans of a trace or answer. Cost: about 15 us a span."""
    spans: list[dict[str, Any]] = []
    processes: list[dict[str, Any]] = []
    lines: list[int] = []
    left: list[int] = []
    empty: list[int] = []
    for place, (found, index) in enumerate(zip(objects, line.tolist(), strict=True)):
        traces = found.get("data") if "data" in found else [found]
        if not isinstance(traces, list) or not all(isinstance(t, dict) and ("spans" in t or "operationName" in t) for t in traces):
            left.append(place)
            continue
        before = len(spans)
        for trace in traces:
            own = trace.get("spans") if "spans" in trace else [trace]
            known = trace.get("processes")
            for span in own if isinstance(own, list) else ():
                if isinstance(span, dict):
                    spans.append(span)
                    processes.append(_process(span, known if isinstance(known, dict) else {}))
                    lines.append(index)
        if len(spans) == before and "data" not in found:
            empty.append(index)
    results = []
    if empty:
        results.append(
            Parsed(np.array(empty), refused={row: Refusal("invalid_jaeger", "a trace without spans") for row in range(len(empty))})
        )
    if spans:
        parsed = read_spans(_columns(spans, processes, np.array(lines, np.int64)))
        parsed.position = places(parsed.line, np.zeros(int(parsed.line.max()) + 1, np.int64))
        parsed.columns["format"] = pa.repeat(pa.scalar("jaeger"), len(spans))
        results.append(parsed)
    return results, left


def _process(span: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    process = span.get("process") or known.get(str(span.get("processID")))
    return process if isinstance(process, dict) else {}


def _columns(spans: list[dict[str, Any]], processes: list[dict[str, Any]], line: NDArray[Any]) -> SpanColumns:
    tags = [_tags(s.get("tags")) for s in spans]
    start = microseconds([_time(s.get("startTime")) for s in spans])
    duration = microseconds([_duration(s.get("duration")) for s in spans])
    resources = [{"service.name": p.get("serviceName"), **_tags(p.get("tags"))} for p in processes]
    for resource in resources:
        if "host.name" not in resource and "hostname" in resource:
            resource["host.name"] = resource["hostname"]
    return SpanColumns(
        line=line,
        resources=Resources(resources, np.arange(len(spans))),
        attributes=PlainAttributes(tags),
        original=lambda row: json_bytes(spans[row]),
        trace_id=padded_ids([s.get("traceID", s.get("traceId")) for s in spans], 32),
        span_id=padded_ids([s.get("spanID", s.get("spanId")) for s in spans], 16),
        start_ns=np.where(start < 0, -1, start * 1_000),
        end_ns=np.where((duration < 0) | (start < 0), -1, (start + duration) * 1_000),
        parent_span_id=padded_ids([_parent(s) for s in spans], 16),
        names=pa.array([n if isinstance(n := s.get("operationName"), str) else None for s in spans], pa.string()),
        kinds=pa.array([str(t.get("span.kind", "")) for t in tags], pa.string()),
        failed=np.array([t.get("error") in (True, "true") or t.get("otel.status_code") == "ERROR" for t in tags], bool),
    )


def _parent(span: dict[str, Any]) -> Any:
    """Span of the first CHILD_OF reference, else of the first of all."""
    references = [r for r in span.get("references") or () if isinstance(r, dict)] if isinstance(span.get("references"), list) else []
    for reference in sorted(references, key=lambda r: r.get("refType", "CHILD_OF") != "CHILD_OF"):
        return reference.get("spanID", reference.get("spanId"))
    return span.get("parentSpanID")


def _tags(tags: Any) -> dict[str, Any]:
    if not isinstance(tags, list):
        return {}
    return {str(t.get("key")): _value(t) for t in tags if isinstance(t, dict)}


def _value(tag: dict[str, Any]) -> Any:
    if "value" in tag:
        return tag["value"]
    kind = str(tag.get("vType", "STRING"))
    names = {"STRING": "vStr", "BOOL": "vBool", "INT64": "vInt64", "FLOAT64": "vFloat64", "BINARY": "vBinary"}
    return tag.get(names.get(kind, "vStr"))


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return time_us(value)
    except ValueError:
        return -1


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value or 0
    try:
        milliseconds = duration_ms(value, 1e-3)  # digits alone are microseconds
    except ValueError:
        return -1
    return round((milliseconds or 0.0) * 1_000)
