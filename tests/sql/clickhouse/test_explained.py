"""Queries that explain an anomaly from what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from jobs.config import ClickHouseConfig
from jobs.correlate.explain import fires_from
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.event import EVENT
from schemas.point import ANOMALY
from schemas.record import Record

Query = Callable[[str], list[tuple[Any, ...]]]
_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _insert(store: ClickHouseConfig, record: Record, *rows: dict[str, Any]) -> None:
    ClickHouseSink(store).insert(record, record.conform(pa.Table.from_pylist(list(rows))))


def _event(n: int, second: float, route: str = "/orders", error: str = "", ms: float = 20.0, client: str = "c1") -> dict[str, Any]:
    at = _NOON + timedelta(seconds=second)
    row = {"timestamp": at, "arrived_at": at, "environment": "prod", "service_name": "shop", "http_request_method": "GET", "offset": n}
    more = {"line_index": 0, "partition": 0, "topic": "raw", "is_duplicate": False, "is_late": False}
    return {**row, **more, "http_route": route, "error_category": error, "duration_ms": ms, "client_id": client, "request_id": f"r{n}"}


def _anomaly(name: str, metric: str, **more: Any) -> dict[str, Any]:
    row = {"anomaly_id": name, "time": _NOON, "environment": "prod", "entity_kind": "route", "entity": "shop GET /orders", "metric": metric}
    numbers = {"width_s": 60, "value": 0.3, "expected": 0.0, "upper": 30.0, "weight": 10.0, "revision": 1, "is_anomaly": True}
    return {**row, **numbers, "told_at": _NOON, "emitted_at": _NOON, **more}


def test_the_requests_behind_an_anomaly_come_worst_first(fresh_database: ClickHouseConfig, sql: Query) -> None:
    events = [_event(n, n, ms=20 + n) for n in range(30)]
    events += [_event(40, 7, error="backend"), _event(41, 61, error="backend"), _event(42, 5, "/cart", error="backend")]
    _insert(fresh_database, EVENT, *events)
    _insert(fresh_database, ANOMALY, _anomaly("a1", "error_ratio"), _anomaly("a2", "latency_ms_p95"))
    assert sql("SELECT request_id FROM anomaly_exemplars(anomaly = 'a1') LIMIT 1") == [("r40",)]
    slowest = sql("SELECT request_id FROM anomaly_exemplars(anomaly = 'a2')")
    assert slowest[:2] == [("r29",), ("r28",)]
    assert len(slowest) == 20
    assert sql("SELECT request_id FROM anomaly_exemplars(anomaly = 'unknown')") == []


def test_the_dimension_that_grew_among_the_bad_requests_comes_first(fresh_database: ClickHouseConfig, sql: Query) -> None:
    before = [_event(n, -n * 10 - 1, client=f"c{n % 4}") for n in range(40)]
    within = [_event(100 + n, n, client=f"c{n % 4}", error="backend" if n % 4 == 3 else "") for n in range(40)]
    _insert(fresh_database, EVENT, *before, *within)
    _insert(fresh_database, ANOMALY, _anomaly("a1", "error_ratio"))
    columns = "dimension, dimension_value, bad_count, request_count, round(bad_share, 2), round(earlier_share, 2)"
    rows = sql(f"SELECT {columns} FROM anomaly_dimensions(anomaly = 'a1')")
    assert rows[0] == ("error", "backend", 10, 10, 1.0, 0.0)
    assert rows[1] == ("client", "c3", 10, 10, 1.0, 0.25)


def test_the_verdict_and_the_counterfactual_follow_from_the_row(fresh_database: ClickHouseConfig, sql: Query) -> None:
    """The query of sql/README.md, against what correlate wrote."""
    numbers = {"value": 400.0, "expected": 100.0, "score": 90.0, "surprise": 5.0, "threshold": 75.0, "min_effect": 25.0}
    row = _anomaly("a1", "latency_ms_p95", **numbers) | {"lower": 80.0, "upper": 120.0}
    _insert(fresh_database, ANOMALY, row | {"fires_from": fires_from(row)})
    query = """
        SELECT
            score >= threshold AND (value < lower OR value > upper) AND abs(value - expected) >= min_effect AS fires,
            greatest(
                abs(value - expected) * exp10(-0.3 * (surprise + 5 * log10(1 - threshold / 100))),
                min_effect, if(value > expected, upper - expected, expected - lower)) AS needed,
            round(expected + sign(value - expected) * needed, 3) AS fires_from_again,
            fires_from_again = round(fires_from, 3) AS agrees
        FROM anomalies"""
    ((fires, _, again, agrees),) = sql(query)
    assert (fires, again, agrees) == (1, 175.895, 1)
