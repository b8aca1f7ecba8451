"""Why an anomaly is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from jobs.correlate import CorrelateState, on_batch
from jobs.correlate.explain import fires_from
from jobs.knobs import Knobs
from schemas.point import SCORE

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _row(entity: str, value: float, expected: float, *, at: float = 0, weight: float = 100, **more: Any) -> dict[str, Any]:
    kind = "route" if " " in entity else "service"
    time = _START + timedelta(seconds=at)
    row = {"environment": "prod", "entity_kind": kind, "metric": "latency_ms_p95", "width_s": 60, "time": time, "emitted_at": time}
    numbers = {"lower": expected / 2, "upper": expected * 1.5, "threshold": 75.0, "min_effect": expected / 4, "weight": weight}
    odd = value > 1.5 * expected
    verdict = {"score": 90.0 if odd else 10.0, "is_anomaly": odd, "reason": "", "revision": 1}
    return {**row, **numbers, **verdict, "entity": entity, "value": value, "expected": expected, **more}


def _anomalies(*ticks: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Last state of each anomaly by environment and entity, of its last window."""
    state = CorrelateState(Knobs())
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for n, rows in enumerate(ticks):
        now_ms = int((_START + timedelta(seconds=63 + 60 * n)).timestamp() * 1000)
        state, out = on_batch(state, pa.Table.from_pylist(rows, schema=SCORE.arrow), now_ms)
        found |= {(row["environment"], row["entity"]): row for row in out.anomalies.to_pylist()}
    return found


def test_the_route_that_holds_the_deviation_is_named() -> None:
    rows = [_row("shop", 300, 100), _row("shop POST /orders", 700, 100, weight=30), _row("shop GET /", 100, 100, weight=70)]
    shop = _anomalies(rows)["prod", "shop"]
    assert (shop["dimension"], shop["dimension_value"], shop["dimension_share"]) == ("route", "shop POST /orders", 1.0)
    assert shop["dimensions"] == ["route shop POST /orders 1.00"]


def test_a_deviation_that_is_spread_like_the_requests_sits_nowhere() -> None:
    rows = [_row("shop", 300, 100), *(_row(f"shop GET /{n}", 300, 100, weight=25) for n in range(4))]
    shop = _anomalies(rows)["prod", "shop"]
    assert (shop["dimension"], shop["dimension_share"]) == ("", None)
    assert len(shop["dimensions"]) == 4


def test_an_error_sits_in_its_category_and_with_the_client_that_makes_it() -> None:
    errors: dict[str, Any] = {"metric": "error_ratio"}
    rows = [
        _row("shop", 0.4, 0.01, **errors),
        _row("shop", 0.38, 0.0, metric="error_ratio_backend"),
        _row("shop", 0.02, 0.01, metric="error_ratio_validation", is_anomaly=False),
        _row("10.0.0.9", 0.9, 0.01, weight=30, **errors) | {"entity_kind": "client"},
        _row("10.0.0.1", 0.01, 0.01, weight=500, **errors) | {"entity_kind": "client"},
    ]
    shop = _anomalies(rows)["prod", "shop"]
    assert shop["dimension"] == "error"
    assert [part.rsplit(" ", 1)[0] for part in shop["dimensions"]] == ["error backend", "client 10.0.0.9", "error validation"]


def test_the_environment_is_named_where_its_twins_are_well() -> None:
    rows = [_row("shop", 300, 100), _row("shop", 101, 100, environment="staging"), _row("shop", 100, 100, environment="test")]
    shop = _anomalies(rows)["prod", "shop"]
    assert (shop["dimension"], shop["dimension_value"]) == ("environment", "prod")
    assert shop["dimension_share"] == pytest.approx(200 / 201)


def test_since_is_where_the_unbroken_run_began_and_a_pause_begins_anew() -> None:
    ticks = [[_row("shop", 300 if n != 3 else 100, 100, at=60 * n)] for n in range(6)]
    assert _anomalies(*ticks[:3])["prod", "shop"]["since"] == _START
    assert _anomalies(*ticks)["prod", "shop"]["since"] == _START + timedelta(seconds=240)


def test_the_counterfactual_is_where_the_rules_threshold_and_effect_are_reached() -> None:
    row = _row("shop", 400, 100)
    # 90 = a surprise of 5, 75 of 3.01; a tenfold distance is worth 10/3
    assert fires_from(row) == pytest.approx(175.895, abs=0.001)
    assert fires_from(row | {"min_effect": 150.0}) == pytest.approx(250.0)
    assert fires_from(row | {"upper": 190.0}) == pytest.approx(190.0)
    assert fires_from(row | {"surprise": 6.0}) == pytest.approx(150.0)
    assert fires_from(row | {"value": 10.0, "lower": 95.0}) == pytest.approx(75.0)
    assert fires_from(row | {"score": None}) is None
    assert fires_from(row | {"threshold": 101.0}) is None
