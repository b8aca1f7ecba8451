"""Metrics as JSON objects: samples of Prometheus as prometheus-kafka-adapter writes them, and business metrics.

https://github.com/Telefonica/prometheus-kafka-adapter#json: `{"timestamp", "value", "name", "labels"}`, the value a string. A business
metric is `{"time", "name", "value", "dimensions"}`: orders, sign-ups, payments, whatever the company counts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.otlp_metrics import metric_name
from udfs.formats.parsed import Parsed
from udfs.formats.values.times import read_times

__all__ = ["METRIC_SIGNATURES", "Series", "metric_points", "prometheus_series", "read_metric_objects"]

METRIC_SIGNATURES = tuple(
    frozenset({name, "value", time}) for name in ("name", "metric", "metric_name") for time in ("time", "timestamp", "ts", "@timestamp")
)
_MESSAGES = ("message", "msg", "log", "body", "level", "severity")
_ENVIRONMENT = ("environment", "env", "deployment_environment", "deployment_environment_name", "deployment.environment")
_SERVICE = ("service", "service_name", "service.name", "app", "application")
_JOB = ("job", "app_kubernetes_io_name")
_HOST = ("pod", "k8s_pod_name", "kubernetes_pod_name", "pod_name", "host", "hostname", "instance", "node")
# https://prometheus.io/docs/practices/naming/: counters, and the parts of histograms and summaries.
_COUNTERS = ("_total", "_count", "_sum", "_bucket")


class Series(NamedTuple):
    """Whose metric it is, and its name."""

    environment: str
    entity_kind: str
    entity: str
    metric: str
    is_counter: bool


def read_metric_objects(objects: list[dict[str, Any]], line: NDArray[Any]) -> tuple[list[Parsed], list[int]]:
    """Metric points; objects with a message or without a number are left. Cost: about 3 us a point."""
    rows: list[int] = []
    left: list[int] = []
    values: list[float] = []
    series: list[Series] = []
    sources: list[str] = []
    times: list[Any] = []
    for place, found in enumerate(objects):
        value = _number(found.get("value"))
        name = found.get("name") or found.get("metric") or found.get("metric_name")
        if value is None or not isinstance(name, str) or any(key in found for key in _MESSAGES):
            left.append(place)
            continue
        if not math.isfinite(value):
            continue  # a stale marker, or 0/0: says nothing
        rows.append(place)
        values.append(value)
        times.append(next((found[key] for key in ("time", "timestamp", "ts", "@timestamp") if key in found), None))
        labels = found.get("labels")
        if isinstance(labels, dict) and "dimensions" not in found:
            series.append(prometheus_series(name, _hashable(labels)))
            sources.append("prometheus")
        else:
            series.append(_business_series(name, _hashable(_dimensions(found))))
            sources.append("business")
    return ([metric_points(line[rows], series, values, times, sources)] if rows else []), left


def metric_points(line: NDArray[Any], series: list[Series], values: list[float], times: list[Any], sources: list[str]) -> Parsed:
    """METRIC_POINT columns; a time that is none is refused."""
    parsed = Parsed(line)
    timestamp, bad = read_times(times)
    missing = ~timestamp.is_valid().to_numpy(zero_copy_only=False)
    parsed.refuse(missing if bad is None else bad | missing, "invalid_timestamp", times)
    environment, kinds, entities, metrics, counters = zip(*series, strict=True)
    parsed.metric_columns = {
        "time": timestamp,
        "environment": pa.array(environment, pa.string()),
        "entity_kind": pa.array(kinds, pa.string()),
        "entity": pa.array(entities, pa.string()),
        "metric": pa.array(metrics, pa.string()),
        "value": pa.array(values, pa.float64()),
        "source": pa.array(sources, pa.string()),
    }
    if any(counters):
        parsed.metric_columns["is_cumulative"] = pa.array(counters, pa.bool_())
        parsed.metric_columns["counters"] = pa.array(
            [[value] if counter else None for value, counter in zip(values, counters, strict=True)], pa.list_(pa.float64())
        )
    return parsed


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _hashable(labels: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value if isinstance(value, str) else str(value)) for key, value in sorted(labels.items()) if value not in (None, ""))


def _dimensions(found: dict[str, Any]) -> dict[str, Any]:
    """Dimensions, tags or labels, and what stands beside them at the top."""
    dimensions: dict[str, Any] = {}
    for key in ("dimensions", "tags", "labels", "attributes"):
        part = found.get(key)
        if isinstance(part, dict):
            dimensions |= part
    for key in (*_ENVIRONMENT, *_SERVICE):
        if isinstance(found.get(key), str):
            dimensions.setdefault(key, found[key])
    return dimensions


def _first(labels: dict[str, str], keys: tuple[str, ...]) -> str:
    """The first of the labels, taken out."""
    found = ""
    for key in keys:
        value = labels.pop(key, "")
        found = found or value
    return found


@lru_cache(maxsize=100_000)
def prometheus_series(name: str, labels: tuple[tuple[str, str], ...]) -> Series:
    """Series of a sample: of a pod or host, else of a service, else of its own; each series comes again and again."""
    rest = dict(labels)
    rest.pop("__name__", None)
    environment = _first(rest, _ENVIRONMENT)
    host = _first(rest, _HOST)
    service = _first(rest, _SERVICE) or _first(rest, _JOB)
    kind, entity = ("host", host) if host else ("service", service) if service else ("metric", name)
    return Series(environment, kind, entity, metric_name(name, rest), name.endswith(_COUNTERS))


@lru_cache(maxsize=100_000)
def _business_series(name: str, dimensions: tuple[tuple[str, str], ...]) -> Series:
    rest = dict(dimensions)
    environment = _first(rest, _ENVIRONMENT)
    entity = _first(rest, _SERVICE) or name
    return Series(environment, "business", entity, metric_name(name, rest), False)
