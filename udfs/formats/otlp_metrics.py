"""OTLP metrics become metric points at once: they are measured already.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/. Attributes of the data point stand in braces behind the name, sorted.

* A gauge, a sum of deltas and a sum that may fall keep their value.
* A histogram of deltas gives `<name>.count`, `.sum`, `.mean`, `.p50`, `.p95` and `.p99`; a summary its own quantiles.
* What is cumulative (counted since the process began) gives the same, and carries its counters along: measure takes the differences from
  the point before (`jobs/measure/cumulative.py`), which no record can tell alone.

Non-finite values and points flagged 'no recorded value' say nothing and are left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.otlp_attributes import RESOURCE_ATTRIBUTES, Resources, attributes_of
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.distributions import Buckets, exponential_edges, quantile_suffix, statistics, suffixed
from udfs.formats.values.json_bytes import json_bytes, json_text
from udfs.formats.values.times import LATEST_US, TIMESTAMP, read_nanos

__all__ = ["metric_name", "read_metrics"]

_NO_RECORDED_VALUE = 1
_CUMULATIVE = (2, "2", "AGGREGATION_TEMPORALITY_CUMULATIVE")
_MAX_BUCKETS = 4096


def metric_name(name: str, attributes: dict[str, Any]) -> str:
    """'k8s.pod.network.io.rate{network.io.direction=receive}'."""
    if not attributes:
        return name
    inner = ",".join(f"{key}={value if isinstance(value, str) else json_text(value)}" for key, value in sorted(attributes.items()))
    return f"{name}{{{inner}}}"


def read_metrics(metrics: list[dict[str, Any]], resources: Resources, line: NDArray[Any]) -> Parsed:
    """Data points of metrics.

    Cost: about 3 us a point, 20 us a histogram: a metric mostly holds one point, so that there is nothing to vectorise over.
    """
    found = _Points()
    for row, metric in enumerate(metrics):
        base = metric.get("name")
        base = base if isinstance(base, str) else ""
        for kind, data, point in _points(metric):
            attributes = point.get("attributes")
            name = metric_name(base, attributes_of(attributes)) if attributes else base
            if kind in _DISTRIBUTIONS:
                if not _flagged(point):
                    cumulative = kind == "summary" or data.get("aggregationTemporality") in _CUMULATIVE
                    _add_distribution(found, row, kind, name, point, cumulative)
                continue
            counters = kind == "sum" and data.get("isMonotonic") is True and data.get("aggregationTemporality") in _CUMULATIVE
            if "asDouble" in point:
                found.add(row, name, point, point["asDouble"], counters=counters)
            elif "asInt" in point:
                found.add(row, name, point, point["asInt"], counters=counters)
            elif not _flagged(point):
                found.add(row, name, point, None)
    return found.parsed(resources, line)


_DISTRIBUTIONS = ("histogram", "exponentialHistogram", "summary")


def _points(metric: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    for kind in ("gauge", "sum", *_DISTRIBUTIONS):
        data = metric.get(kind)
        if isinstance(data, dict):
            points = data.get("dataPoints")
            found = [p for p in points if isinstance(p, dict)] if isinstance(points, list) else []
            return [(kind, data, point) for point in found]
    return []


def _add_distribution(found: _Points, row: int, kind: str, name: str, point: dict[str, Any], cumulative: bool) -> None:
    try:
        count = float(point.get("count", 0))
        total = float(point["sum"]) if "sum" in point else None
        buckets = _BUCKETS[kind](point)
        quantiles = [
            (float(v["quantile"]) if "quantile" in v else 0.0, float(v.get("value", 0))) for v in point.get("quantileValues") or ()
        ]
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError):
        found.add(row, suffixed(name, "count"), point, None, detail="count, sum or buckets are no numbers")
        return
    if not math.isfinite(count) or count < 0 or (total is not None and not math.isfinite(total)):
        found.add(row, suffixed(name, "count"), point, None, detail=f"count {count}, sum {total}")
        return
    for suffix, value in statistics(count, total, buckets):
        found.add(row, suffixed(name, suffix), point, value, cumulative=cumulative, buckets=buckets if suffix == "count" else None)
    for q, value in quantiles:
        found.add(row, suffixed(name, quantile_suffix(q)), point, value)


def _explicit(point: dict[str, Any]) -> Buckets:
    bounds = [float(bound) for bound in point.get("explicitBounds") or ()]
    counts = [float(count) for count in point.get("bucketCounts") or ()]
    if not counts or not bounds:
        return Buckets([], [])
    if len(counts) != len(bounds) + 1 or sorted(bounds) != bounds or len(counts) > _MAX_BUCKETS:
        raise ValueError("bounds and counts do not fit")
    # Durations and sizes begin at 0; where the lowest bound is below, nothing tells how far down values go.
    first = 0.0 if bounds[0] > 0 else -math.inf
    return Buckets([first, *bounds, math.inf], counts)


def _exponential(point: dict[str, Any]) -> Buckets:
    scale = int(point.get("scale", 0))
    if not -10 <= scale <= 20:
        raise ValueError("no such scale")
    edges: list[float] = []
    counts: list[float] = []
    for sign, key in ((-1.0, "negative"), (1.0, "positive")):
        part = point.get(key) or {}
        own = [float(count) for count in part.get("bucketCounts") or ()]
        if len(own) > _MAX_BUCKETS:
            raise ValueError("too many buckets")
        of_part = exponential_edges(scale, int(part.get("offset", 0)), len(own)).tolist() if own else []
        zero = float(point.get("zeroCount", 0))
        if sign < 0:
            edges, counts = [-edge for edge in reversed(of_part)], own[::-1]
            threshold = float(point.get("zeroThreshold", 0))
            # Numbers around zero lie between the innermost edges.
            edges = edges or [-threshold]
        else:
            edges = [*edges, *(of_part or [max(float(point.get("zeroThreshold", 0)), edges[-1])])]
            counts = [*counts, zero, *own]
    return Buckets(edges, counts)


def _none(point: dict[str, Any]) -> Buckets:
    return Buckets([], [])


_BUCKETS = {"histogram": _explicit, "exponentialHistogram": _exponential, "summary": _none}


def _flagged(point: dict[str, Any]) -> bool:
    flags = point.get("flags")
    return isinstance(flags, int) and bool(flags & _NO_RECORDED_VALUE)


class _Points:
    """Points as they are found, column by column."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.times: list[Any] = []
        self.values: list[float] = []
        self.rows: list[int] = []
        self.originals: list[dict[str, Any]] = []
        self.broken: dict[int, str] = {}
        self.cumulative: list[int] = []
        self.carried: dict[int, tuple[list[float], list[float]]] = {}
        """Edges and counters by point."""

    def add(
        self,
        row: int,
        name: str,
        point: dict[str, Any],
        value: object,
        *,
        counters: bool = False,
        cumulative: bool = False,
        buckets: Buckets | None = None,
        detail: str = "",
    ) -> None:
        """Add one; a value that is no number is refused, one that is not finite is left out."""
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            self.broken[len(self.names)] = detail or f"{name}: {value!r} is no number"
            number = 0.0
        if not math.isfinite(number):
            return
        place = len(self.names)
        if counters or cumulative:
            self.cumulative.append(place)
        if counters:
            self.carried[place] = ([], [number])
        elif cumulative and buckets is not None:
            total = float(point["sum"]) if "sum" in point else math.nan
            self.carried[place] = (list(buckets.edges), [number, total, *buckets.counts])
        self.names.append(name)
        self.times.append(point.get("timeUnixNano"))
        self.values.append(number)
        self.rows.append(row)
        self.originals.append(point)

    def parsed(self, resources: Resources, line: NDArray[Any]) -> Parsed:
        """All as METRIC_POINT columns, with the refusals."""
        rows = np.array(self.rows, np.int64)
        parsed = Parsed(line[rows])
        time = read_nanos(self.times) if self.times else np.zeros(0, np.int64)
        bad = (time <= 0) | (time >= LATEST_US * 1_000)
        for place in np.flatnonzero(bad).tolist():
            parsed.refused[place] = Refusal("invalid_timestamp", self.names[place][:200], json_bytes(self.originals[place]))
        for place, detail in self.broken.items():
            parsed.refused.setdefault(place, Refusal("invalid_value", detail[:200], json_bytes(self.originals[place])))
        host = resources.column(("k8s.pod.name", "host.name"), rows)
        service = resources.column(RESOURCE_ATTRIBUTES["service_name"], rows)
        environment = resources.column(RESOURCE_ATTRIBUTES["environment"], rows)
        is_host = host.is_valid()
        is_service = service.is_valid()
        # A metric of neither pod, host nor service describes its environment as a whole.
        parsed.metric_columns = {
            "time": pa.array(np.where(bad, 0, time) // 1_000).cast(TIMESTAMP),
            "environment": pc.fill_null(environment, ""),
            "entity_kind": pc.if_else(is_host, "host", pc.if_else(is_service, "service", "environment")),
            "entity": pc.fill_null(pc.coalesce(host, service, environment), ""),
            "metric": pa.array(self.names, pa.string()),
            "value": pa.array(self.values, pa.float64()),
            "source": pa.repeat(pa.scalar("otlp"), len(rows)),
        }
        if self.cumulative:
            parsed.metric_columns |= self._counters()
        return parsed

    def _counters(self) -> dict[str, pa.Array]:
        n = len(self.names)
        starts: list[int | None] = [None] * n
        of_cumulative = read_nanos([self.originals[place].get("startTimeUnixNano") for place in self.cumulative])
        for place, start in zip(self.cumulative, of_cumulative.tolist(), strict=True):
            starts[place] = start // 1_000 if 0 < start < LATEST_US * 1_000 else None
        is_cumulative = np.zeros(n, bool)
        is_cumulative[self.cumulative] = True
        edges: list[list[float] | None] = [None] * n
        counters: list[list[float] | None] = [None] * n
        for place, (own_edges, own_counters) in self.carried.items():
            edges[place], counters[place] = own_edges, own_counters
        return {
            "is_cumulative": pa.array(is_cumulative),
            "started_at": pa.array(starts, pa.int64()).cast(TIMESTAMP),
            "edges": pa.array(edges, pa.list_(pa.float64())),
            "counters": pa.array(counters, pa.list_(pa.float64())),
        }
