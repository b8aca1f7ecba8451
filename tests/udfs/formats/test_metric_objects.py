from __future__ import annotations

import json
from typing import Any

from tests.udfs.raw_records import raw_records
from udfs.normalise import normalise


def _points(*values: Any) -> list[tuple[Any, ...]]:
    out = normalise(raw_records([json.dumps(value).encode() for value in values]))
    assert not out.events.num_rows
    names = ("environment", "entity_kind", "entity", "metric", "value", "source", "is_cumulative")
    return [tuple(row[name] for name in names) for row in out.metric_points.to_pylist()]


def test_a_business_metric_is_a_point_of_the_business() -> None:
    metric = {"time": "2026-04-12T13:20:00Z", "name": "orders", "value": 12, "dimensions": {"country": "PL", "env": "prod"}}
    assert _points(metric) == [("prod", "business", "orders", "orders{country=PL}", 12.0, "business", False)]
    of_service = {"timestamp": 1776000000, "metric": "sign_ups", "value": "3.5", "service": "shop"}
    assert _points(of_service) == [("", "business", "shop", "sign_ups", 3.5, "business", False)]


def test_a_prometheus_sample_belongs_to_its_pod_or_service_and_counters_are_cumulative() -> None:
    sample = {"timestamp": "2026-04-12T13:20:00Z", "value": "9.5", "name": "up", "labels": {"__name__": "up", "job": "api", "zone": "a"}}
    counter = {**sample, "name": "http_requests_total", "labels": {"instance": "10.0.0.1:9090", "job": "api", "code": "200", "env": "prod"}}
    assert _points(sample, counter) == [
        ("", "service", "api", "up{zone=a}", 9.5, "prometheus", False),
        ("prod", "host", "10.0.0.1:9090", "http_requests_total{code=200}", 9.5, "prometheus", True),
    ]


def test_stale_markers_say_nothing_and_bad_times_are_refused() -> None:
    sample = {"timestamp": "2026-04-12T13:20:00Z", "value": "NaN", "name": "up", "labels": {}}
    out = normalise(raw_records([json.dumps(sample).encode(), json.dumps({**sample, "value": "1", "timestamp": "yesterday"}).encode()]))
    assert not out.metric_points.num_rows
    assert out.dead_letters["reason"].to_pylist() == ["invalid_timestamp"]


def test_a_log_line_with_a_value_stays_a_log_line() -> None:
    line = {"time": "2026-04-12T13:20:00Z", "name": "worker", "value": 3, "msg": "done", "level": 30}
    out = normalise(raw_records([json.dumps(line).encode()]))
    assert (out.events.num_rows, out.metric_points.num_rows) == (1, 0)
