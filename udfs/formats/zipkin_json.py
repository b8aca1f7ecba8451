"""Zipkin v2 spans: https://zipkin.io/zipkin-api/ (`Span`; times in microseconds since the epoch, durations in microseconds).

Trace ids of 64 bits are filled up with zeros on the left, as the OpenTelemetry Collector does it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.otlp_attributes import Resources
from udfs.formats.otlp_records import SpanColumns, read_spans
from udfs.formats.parsed import Parsed
from udfs.formats.values.json_bytes import json_bytes
from udfs.formats.values.plain_attributes import PlainAttributes, microseconds, padded_ids

__all__ = ["ZIPKIN_SIGNATURES", "read_zipkin"]

ZIPKIN_SIGNATURES = (frozenset({"traceId", "id", "localEndpoint"}), frozenset({"traceId", "id", "timestamp", "duration"}))

_KINDS = {"CLIENT": "client", "SERVER": "server", "PRODUCER": "producer", "CONSUMER": "consumer"}


def read_zipkin(spans: list[dict[str, Any]], line: NDArray[Any]) -> tuple[list[Parsed], list[int]]:
    """Events of spans; all are taken. Cost: about 8 us a span."""
    tags = [t if isinstance(t := s.get("tags"), dict) else {} for s in spans]
    attributes = [_with_peer(span, own) for span, own in zip(spans, tags, strict=True)]
    start = microseconds([s.get("timestamp") for s in spans])
    duration = microseconds([s.get("duration") or 0 for s in spans])
    names = [e.get("serviceName") if isinstance(e := s.get("localEndpoint"), dict) else None for s in spans]
    columns = SpanColumns(
        line=line,
        resources=_resources(names, tags),
        attributes=PlainAttributes(attributes),
        original=lambda row: json_bytes(spans[row]),
        trace_id=padded_ids([s.get("traceId") for s in spans], 32),
        span_id=padded_ids([s.get("id") for s in spans], 16),
        start_ns=start * 1_000,
        end_ns=np.where(duration < 0, -1, (start + duration) * 1_000),
        parent_span_id=padded_ids([s.get("parentId") for s in spans], 16),
        names=pa.array([n if isinstance(n := s.get("name"), str) else None for s in spans], pa.string()),
        kinds=pa.array([_KINDS.get(str(s.get("kind")), "") for s in spans], pa.string()),
        failed=np.array(["error" in t and t["error"] not in ("", "false", False) for t in tags], bool),
    )
    return [_of_format(read_spans(columns), "zipkin")], []


def _with_peer(span: dict[str, Any], tags: dict[str, Any]) -> dict[str, Any]:
    """Tags, with the caller's address where the span is a server's."""
    remote = span.get("remoteEndpoint")
    if span.get("kind") != "SERVER" or not isinstance(remote, dict):
        return tags
    address = remote.get("ipv4") or remote.get("ipv6")
    return tags if address is None else {"client.address": address, **tags}


def _resources(names: list[Any], tags: list[dict[str, Any]]) -> Resources:
    keys = [(str(n) if n else None, t.get("environment") or t.get("deployment.environment")) for n, t in zip(names, tags, strict=True)]
    distinct = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    attributes = [{"service.name": name, "deployment.environment": environment} for name, environment in distinct]
    return Resources(attributes, np.fromiter((distinct[key] for key in keys), np.int64, len(keys)))


def _of_format(parsed: Parsed, name: str) -> Parsed:
    parsed.columns["format"] = pa.repeat(pa.scalar(name), len(parsed.line))
    return parsed
