"""OTLP/JSON metrics become metric points at once: they are measured already.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/. Gauges and sums keep their value; a histogram or summary gives
`<name>.count`, `<name>.sum` and `<name>.mean`. Attributes of the data point stand in braces behind the name, sorted. Non-finite
values and points flagged 'no recorded value' say nothing and are left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.otlp_attributes import RESOURCE_ATTRIBUTES, Resources, attributes_of
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.times import LATEST_US, TIMESTAMP, read_nanos

__all__ = ["metric_name", "read_metrics"]

_NO_RECORDED_VALUE = 1


def metric_name(name: str, attributes: dict[str, Any]) -> str:
    """'k8s.pod.network.io.rate{network.io.direction=receive}'."""
    if not attributes:
        return name
    inner = ",".join(
        f"{key}={value if isinstance(value, str) else orjson.dumps(value).decode()}" for key, value in sorted(attributes.items())
    )
    return f"{name}{{{inner}}}"


def read_metrics(metrics: list[dict[str, Any]], resources: Resources, line: NDArray[Any]) -> Parsed:
    """Data points of metrics.

    Cost: about 3 us a point: a metric mostly holds one point, so that there is nothing to vectorise over.
    """
    names: list[str] = []
    times: list[Any] = []
    values: list[float] = []
    rows: list[int] = []
    originals: list[dict[str, Any]] = []
    broken: dict[int, tuple[int, str]] = {}

    def add(row: int, name: str, point: dict[str, Any], value: object) -> None:
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            broken[len(names)] = (row, f"{name}: {value!r} is no number")
            number = 0.0
        if math.isfinite(number):
            names.append(name)
            times.append(point.get("timeUnixNano"))
            values.append(number)
            rows.append(row)
            originals.append(point)

    for row, metric in enumerate(metrics):
        base = metric.get("name")
        base = base if isinstance(base, str) else ""
        for point, is_distribution in _points(metric):
            attributes = point.get("attributes")
            name = metric_name(base, attributes_of(attributes)) if attributes else base
            if is_distribution:
                _distribution(add, row, base, point)
            elif "asDouble" in point:
                add(row, name, point, point["asDouble"])
            elif "asInt" in point:
                add(row, name, point, point["asInt"])
            elif not _flagged(point):
                add(row, name, point, None)
    return _parsed(names, times, values, np.array(rows, np.int64), originals, broken, resources, line)


def _points(metric: dict[str, Any]) -> list[tuple[dict[str, Any], bool]]:
    for kind in ("gauge", "sum", "histogram", "exponentialHistogram", "summary"):
        data = metric.get(kind)
        if isinstance(data, dict):
            points = data.get("dataPoints")
            found = [p for p in points if isinstance(p, dict)] if isinstance(points, list) else []
            return [(point, kind not in ("gauge", "sum")) for point in found]
    return []


def _distribution(add: Any, row: int, base: str, point: dict[str, Any]) -> None:
    if _flagged(point):
        return
    attributes = attributes_of(point.get("attributes"))
    count = point.get("count", 0)
    add(row, metric_name(f"{base}.count", attributes), point, count)
    if "sum" in point:
        add(row, metric_name(f"{base}.sum", attributes), point, point["sum"])
        try:
            mean = float(point["sum"]) / float(count)
        except (TypeError, ValueError, OverflowError, ZeroDivisionError):
            return
        add(row, metric_name(f"{base}.mean", attributes), point, mean)


def _flagged(point: dict[str, Any]) -> bool:
    flags = point.get("flags")
    return isinstance(flags, int) and bool(flags & _NO_RECORDED_VALUE)


def _parsed(
    names: list[str],
    times: list[Any],
    values: list[float],
    rows: NDArray[Any],
    originals: list[dict[str, Any]],
    broken: dict[int, tuple[int, str]],
    resources: Resources,
    line: NDArray[Any],
) -> Parsed:
    parsed = Parsed(line[rows])
    time = read_nanos(times) if times else np.zeros(0, np.int64)
    bad = (time <= 0) | (time >= LATEST_US * 1_000)
    for row in np.flatnonzero(bad).tolist():
        parsed.refused[row] = Refusal("invalid_timestamp", names[row][:200], orjson.dumps(originals[row]))
    for row, (_, detail) in broken.items():
        parsed.refused.setdefault(row, Refusal("invalid_value", detail[:200], orjson.dumps(originals[row])))
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
        "metric": pa.array(names, pa.string()),
        "value": pa.array(values, pa.float64()),
    }
    return parsed
