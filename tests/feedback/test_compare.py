"""What changed SQL would have said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig
from jobs.feedback.compare import compare, difference, judge
from jobs.knobs import Knobs
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.errors import AnomasecError
from schemas.point import POINT, SCORE
from tests.score.points import make_points

_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _scores(*scores: float, threshold: float) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for n, score in enumerate(scores):
        time = _NOON + timedelta(minutes=n)
        row = {"time": time, "environment": "prod", "entity_kind": "service", "entity": f"s{n}", "metric": "latency_ms_p95", "width_s": 60}
        numbers = {"value": 900.0, "expected": 100.0, "weight": 50.0, "score": score, "threshold": threshold, "revision": 1}
        rows.append({**row, **numbers, "is_anomaly": score >= threshold, "reason": "", "emitted_at": time + timedelta(minutes=1)})
    return SCORE.conform(pa.Table.from_pylist(rows))


def test_new_gone_and_moved_verdicts_are_told_apart() -> None:
    old = judge(_scores(80, 96, 85, threshold=75), Knobs())
    new = judge(_scores(80, 96, 90, threshold=84), Knobs())
    found = difference(3, old, new)
    assert [row["entity"] for row in found.gone] == ["s0"]
    assert found.appeared == []
    assert [(a["score"], b["score"]) for a, b in found.moved] == [(85, 90)]
    assert found.by_metric() == [("latency_ms_p95", 0, 1, 1)]
    assert [row["entity"] for row in difference(3, new, old).appeared] == ["s0"]
    assert (len(old.anomalies), len(old.pages), len(new.pages)) == (3, 1, 2)


def _score(folder: Path, sql_dir: Path, rows: int, models: Path | None) -> pa.Table:
    """Scores as a reader of the point files would make them; the scoring SQL itself has tests of its own."""
    assert models is None
    points = [point for path in sorted(folder.glob("*.json")) for line in path.read_text().splitlines() for point in json.loads(line)]
    assert len(points) == rows
    threshold = float((sql_dir / "flink" / "score.sql").read_text().rsplit(" ", 1)[1])
    out = []
    for point in points:
        spreads = abs(point["value"] - point["expected"]) / point["spread"]
        score = 100 * spreads / (spreads + 3)
        times = {
            "time": datetime.fromtimestamp(point["time_us"] / 1e6, UTC),
            "emitted_at": datetime.fromtimestamp(point["emitted_ms"] / 1e3, UTC),
        }
        out.append({**point, **times, "score": score, "is_anomaly": score >= threshold, "reason": "", "threshold": threshold})
    return SCORE.conform(pa.Table.from_pylist([{name: row.get(name) for name in SCORE.names} for row in out], schema=SCORE.arrow))


def _folder(path: Path, threshold: float, budget: str = "") -> Path:
    (path / "flink").mkdir(parents=True)
    for name, text in (("functions.sql", ""), ("score.sql", f"-- threshold {threshold}"), ("budget.sql", budget)):
        (path / "flink" / name).write_text(text)
    (path / "flink" / "knobs.sql").write_text("SET 'anomasec.budget.rules' = 'budget.sql';")
    return path


def test_stored_points_are_judged_by_both_folders(fresh_database: ClickHouseConfig, tmp_path: Path) -> None:
    points = make_points(42, value=[100.0 + n % 3 for n in range(40)] + [400.0, 250.0], entity="shop")
    ClickHouseSink(fresh_database).insert(POINT, points)
    client, said = fresh_database.client(), list[str]()
    lax, strict = _folder(tmp_path / "lax", 75), _folder(tmp_path / "strict", 88)
    override = "INSERT INTO overrides (entity, metric, min_score) VALUES ('shop', 'latency%', 99.9);"
    overridden = _folder(tmp_path / "overridden", 75, override)
    found = compare(client, lax, strict, None, None, said.append, _score)
    assert (found.points, [row["value"] for row in found.gone], len(found.new.anomalies)) == (42, [250.0], 1)
    assert len(said) == 2
    # what differs in budgets alone is scored once
    found = compare(client, lax, overridden, None, None, said.append, _score)
    assert (len(said), len(found.gone), len(found.new.anomalies)) == (3, 2, 0)
    with pytest.raises(AnomasecError, match="no stored points"):
        compare(client, lax, strict, datetime(2100, 1, 1, tzinfo=UTC), None, said.append, _score)
