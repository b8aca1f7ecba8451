"""Every kind of input on its way through the stages, bounded over a file: what reaches the store."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.config import load_config
from jobs.knobs import Knobs
from jobs.replay import replay
from jobs.replay.files import find_sources
from schemas.record import Record

_START = 1_776_000_000


def _nanos(second: int) -> str:
    return str((_START + second) * 1_000_000_000)


def _histogram(second: int, counts: list[int], total: float) -> dict[str, Any]:
    point = {
        "startTimeUnixNano": _nanos(-60), "timeUnixNano": _nanos(second), "count": str(sum(counts)), "sum": total,
        "bucketCounts": [str(count) for count in counts], "explicitBounds": [1, 2],
    }  # fmt: skip
    metric = {"name": "http.server.request.duration", "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}


_LINES: list[dict[str, Any]] = [
    {"time": _START, "kind": "deploy", "service": "cart", "environment": "prod", "version": "1.2"},
    {"time": _START, "kind": "deploy", "service": "cart", "environment": "prod", "version": "1.2"},
    _histogram(0, [10, 0, 0], 5.0),
    {"time": _START + 1, "name": "orders", "value": 3, "dimensions": {"country": "PL"}},
    *({"time": _START + i, "level": "error", "service": "cart", "message": f"order {i} lost"} for i in range(5)),
    _histogram(60, [10, 4, 0], 11.0),
    {"time": _START + 400, "method": "GET", "path": "/a", "status": 200, "service": "cart", "duration_ms": 3},
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Rows by record name."""
    path: Path = tmp_path_factory.mktemp("inputs") / "raw.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in _LINES))
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def insert(record: Record, table: pa.Table) -> None:
        rows[record.name] += table.to_pylist()

    replay(find_sources([path]), load_config(env={}), Knobs(), insert, lambda *_: None, score=False)
    return rows


def test_a_change_reaches_the_store_and_told_twice_has_one_id(stored: dict[str, list[dict[str, Any]]]) -> None:
    first, second = stored["changes"]
    assert (first["change_kind"], first["service_name"], first["version"]) == ("deploy", "cart", "1.2")
    assert first["change_id"] == second["change_id"]


def test_a_cumulative_histogram_becomes_points_of_what_came_since(stored: dict[str, list[dict[str, Any]]]) -> None:
    points = [point for point in stored["points"] if point["metric"].startswith("http.server.request.duration.")]
    of_second = {point["metric"].rpartition(".")[2]: point["value"] for point in points if point["time"].timestamp() == _START + 60}
    assert of_second == {"count": 4.0, "sum": 6.0, "mean": 1.5, "p50": 1.5, "p95": 1.95, "p99": 1.99}
    assert {(point["entity_kind"], point["entity"], point["source"]) for point in points} == {("service", "cart", "otlp")}


def test_a_business_metric_is_a_point(stored: dict[str, list[dict[str, Any]]]) -> None:
    (point,) = [point for point in stored["points"] if point["entity_kind"] == "business"]
    assert (point["entity"], point["metric"], point["value"], point["source"]) == ("orders", "orders{country=PL}", 3.0, "business")


def test_log_records_are_counted_by_template(stored: dict[str, list[dict[str, Any]]]) -> None:
    assert {event["log_template"] for event in stored["events"] if event["kind"] == "log"} == {"order <*> lost"}
    counted = [p for p in stored["points"] if p["entity_kind"] == "template" and p["metric"] == "request_rate" and p["width_s"] == 60]
    assert [(point["entity"], point["weight"]) for point in counted if point["weight"]] == [("cart order <*> lost", 5.0)]
