from __future__ import annotations

import json
import math
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from tests.udfs.formats.otlp_messages import metrics, pairs
from tests.udfs.raw_records import raw_records
from udfs.formats.otlp_protobuf import as_json
from udfs.normalise import normalise

_TIME = 1_776_000_060_000_000_000
_START = _TIME - 60_000_000_000
_DELTA, _CUMULATIVE = m.AGGREGATION_TEMPORALITY_DELTA, m.AGGREGATION_TEMPORALITY_CUMULATIVE
_AT: dict[str, Any] = {"time_unix_nano": _TIME, "start_time_unix_nano": _START, "attributes": pairs({"route": "/a"})}


def _points(metric: m.Metric, resource: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Points of one metric; the same in both encodings."""
    export = metrics([metric], {"service.name": "cart"} if resource is None else resource)
    rows = normalise(raw_records([export.SerializeToString()])).metric_points.to_pylist()
    assert rows == normalise(raw_records([json.dumps(as_json(export)).encode()])).metric_points.to_pylist()
    return rows  # type: ignore[no-any-return]


def _values(metric: m.Metric) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in _points(metric)}


def test_a_gauge_and_a_sum_of_deltas_keep_their_value() -> None:
    point = m.NumberDataPoint(as_double=2.5, **_AT)
    assert _values(m.Metric(name="load", gauge=m.Gauge(data_points=[point]))) == {"load{route=/a}": 2.5}
    delta = m.Metric(name="req", sum=m.Sum(data_points=[point], aggregation_temporality=_DELTA, is_monotonic=True))
    (row,) = _points(delta)
    assert (row["value"], row["is_cumulative"], row["entity_kind"], row["source"]) == (2.5, False, "service", "otlp")


def test_a_cumulative_counter_carries_its_start_and_one_that_may_fall_is_a_gauge() -> None:
    point = m.NumberDataPoint(as_int=7, **_AT)
    counter, gauge = (
        m.Metric(name="req", sum=m.Sum(data_points=[point], aggregation_temporality=_CUMULATIVE, is_monotonic=monotonic))
        for monotonic in (True, False)
    )
    (row,) = _points(counter)
    assert (row["is_cumulative"], row["counters"]) == (True, [7.0])
    assert (row["time"] - row["started_at"]).total_seconds() == 60
    (row,) = _points(gauge)
    assert (row["is_cumulative"], row["counters"]) == (False, None)


def test_a_histogram_gives_count_sum_mean_and_quantiles() -> None:
    point = m.HistogramDataPoint(count=100, sum=120.0, explicit_bounds=[1, 2, 4], bucket_counts=[50, 45, 5, 0], **_AT)
    data = m.Histogram(data_points=[point], aggregation_temporality=_DELTA)
    assert _values(m.Metric(name="http.server.request.duration", histogram=data)) == {
        "http.server.request.duration.count{route=/a}": 100,
        "http.server.request.duration.sum{route=/a}": 120,
        "http.server.request.duration.mean{route=/a}": 1.2,
        "http.server.request.duration.p50{route=/a}": 1.0,
        "http.server.request.duration.p95{route=/a}": 2.0,
        "http.server.request.duration.p99{route=/a}": pytest.approx(3.6),
    }


def test_a_cumulative_histogram_carries_its_buckets_on_the_count() -> None:
    point = m.HistogramDataPoint(count=3, sum=4.0, explicit_bounds=[1], bucket_counts=[2, 1], **_AT)
    rows = _points(m.Metric(name="d", histogram=m.Histogram(data_points=[point], aggregation_temporality=_CUMULATIVE)))
    assert all(row["is_cumulative"] for row in rows)
    carried = [(row["metric"], row["edges"], row["counters"]) for row in rows if row["counters"] is not None]
    assert carried == [("d.count{route=/a}", [0.0, 1.0, math.inf], [3.0, 4.0, 2.0, 1.0])]


def test_an_exponential_histogram_has_the_quantiles_of_its_values() -> None:
    buckets = m.ExponentialHistogramDataPoint.Buckets(offset=0, bucket_counts=[0, 10])  # (2, 4] at scale 0
    point = m.ExponentialHistogramDataPoint(count=10, sum=30.0, scale=0, positive=buckets, **_AT)
    data = m.ExponentialHistogram(data_points=[point], aggregation_temporality=_DELTA)
    found = _values(m.Metric(name="d", exponential_histogram=data))
    assert (found["d.p50{route=/a}"], found["d.mean{route=/a}"]) == (3.0, 3.0)
    assert found["d.p95{route=/a}"] == pytest.approx(3.9)


def test_an_exponential_histogram_may_hold_zeros_and_negative_values() -> None:
    negative = m.ExponentialHistogramDataPoint.Buckets(offset=1, bucket_counts=[10])  # [-4, -2)
    positive = m.ExponentialHistogramDataPoint.Buckets(offset=0, bucket_counts=[1])
    point = m.ExponentialHistogramDataPoint(count=12, sum=-28.0, scale=0, zero_count=1, negative=negative, positive=positive, **_AT)
    data = m.ExponentialHistogram(data_points=[point], aggregation_temporality=_DELTA)
    assert _values(m.Metric(name="d", exponential_histogram=data))["d.p50{route=/a}"] == pytest.approx(-2.8)


def test_a_summary_gives_its_own_quantiles() -> None:
    quantiles = [m.SummaryDataPoint.ValueAtQuantile(quantile=q, value=v) for q, v in ((0.0, 1.0), (0.5, 2.0), (0.999, 9.0))]
    found = _values(
        m.Metric(name="d", summary=m.Summary(data_points=[m.SummaryDataPoint(count=4, sum=10.0, quantile_values=quantiles, **_AT)]))
    )
    assert found == {
        "d.count{route=/a}": 4, "d.sum{route=/a}": 10, "d.mean{route=/a}": 2.5,
        "d.min{route=/a}": 1.0, "d.p50{route=/a}": 2.0, "d.p99.9{route=/a}": 9.0,
    }  # fmt: skip


def test_buckets_that_do_not_fit_their_bounds_are_refused() -> None:
    point = m.HistogramDataPoint(count=3, explicit_bounds=[2, 1], bucket_counts=[1, 1, 1], **_AT)
    good = m.HistogramDataPoint(count=1, **_AT)
    data = m.Histogram(data_points=[point, good], aggregation_temporality=_DELTA)
    out = normalise(raw_records([metrics([m.Metric(name="d", histogram=data)]).SerializeToString()]))
    assert out.dead_letters["reason"].to_pylist() == ["invalid_value"]
    assert out.metric_points["metric"].to_pylist() == ["d.count{route=/a}"]


def test_no_number_of_a_metric_can_break_the_reading() -> None:
    for point in (
        {"count": "x"},
        {"count": 1e400},
        {"bucketCounts": 3},
        {"quantileValues": [1]},
        {"scale": 999},
        {"count": -1},
        {"sum": "NaN"},
    ):
        for kind in ("histogram", "exponentialHistogram", "summary"):
            metric = {"name": "d", kind: {"dataPoints": [{"timeUnixNano": str(_TIME), **point}]}}
            line = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()
            out = normalise(raw_records([line]))
            assert out.metric_points.num_rows + out.dead_letters.num_rows > 0
