"""Silence and lost telemetry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from jobs.correlate import CorrelateState, on_batch
from jobs.knobs import Knobs
from schemas.point import SCORE

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_WIDTH = 5


def _rate(environment: str, kind: str, entity: str, window: int, value: float, expected: float = 10.0, **more: Any) -> dict[str, Any]:
    time = _START + timedelta(seconds=_WIDTH * window)
    row = {"environment": environment, "entity_kind": kind, "entity": entity, "metric": "request_rate", "width_s": _WIDTH, "time": time}
    odd = value == 0
    verdict = {"score": 80.0 if odd else 5.0, "is_anomaly": odd, "reason": "a drop" if odd else "", "revision": 1, "weight": value * _WIDTH}
    return {
        **row,
        **verdict,
        "value": value,
        "expected": expected,
        "lower": 5.0,
        "upper": 15.0,
        "threshold": 75.0,
        "emitted_at": time,
        **more,
    }


def _estate(
    window: int, *, quiet: tuple[str, ...] = (), environments: tuple[str, ...] = ("prod",), services: int = 3
) -> list[dict[str, Any]]:
    """Points of one window: services a, b, c of each environment; quiet ones by 'environment service', or by environment."""
    rows = []
    for environment in environments:
        total = 0.0
        for service in "abcdef"[:services]:
            value = 0.0 if environment in quiet or f"{environment} {service}" in quiet else 10.0
            total += value
            rows.append(_rate(environment, "service", service, window, value))
            rows.append(_rate(environment, "route", f"{service} GET /", window, value))
        rows.append(_rate(environment, "environment", environment, window, total, 10.0 * services))
    return rows


class _Run:
    def __init__(self) -> None:
        self.state = CorrelateState(Knobs())
        self.anomalies: list[dict[str, Any]] = []

    def windows(self, first: int, last: int, **estate: Any) -> _Run:
        for window in range(first, last):
            self.call(window, _estate(window, **estate))
        return self

    def call(self, window: int, rows: list[dict[str, Any]]) -> None:
        now_ms = int((_START + timedelta(seconds=_WIDTH * (window + 1) + 3)).timestamp() * 1000)
        self.state, out = on_batch(self.state, pa.Table.from_pylist(rows, schema=SCORE.arrow), now_ms)
        segments = {name: blob for name, blob in self.state.changes().items() if blob is not None}
        if "silence" in segments:
            assert type(self.state.watchers).from_bytes(segments["silence"]).to_bytes() == segments["silence"]
        self.anomalies += out.anomalies.to_pylist()

    def told(self) -> set[tuple[str, str]]:
        return {(row["metric"], row["entity"]) for row in self.anomalies if row["is_anomaly"]}


def test_a_service_that_stops_alone_is_silent_and_no_drop_besides() -> None:
    run = _Run().windows(0, 5).windows(5, 10, quiet=("prod b",))
    assert ("silence", "b") in run.told()
    assert ("telemetry_lost", "prod") not in run.told()
    silent = [row for row in run.anomalies if row["metric"] == "silence" and row["entity"] == "b"]
    # told after three windows without a request
    assert silent[0]["time"] == _START + timedelta(seconds=_WIDTH * 7)
    assert silent[0]["reason"].startswith("no requests for 15 s, since 12:00:25, where 150 were expected; 4 others of prod go on")
    later = [row["metric"] for row in run.anomalies if row["time"] >= silent[0]["time"] and row["entity"] == "b" and row["is_anomaly"]]
    assert set(later) == {"silence"}


def test_all_that_stops_together_is_lost_telemetry_told_once_per_window() -> None:
    run = _Run().windows(0, 130, environments=("east", "west")).windows(130, 136, environments=("east", "west"), quiet=("east",))
    assert run.told() == {("telemetry_lost", "east")}
    assert "all of east stopped together" in run.anomalies[0]["reason"]


def test_an_estate_that_stops_as_a_whole_is_lost_when_it_was_steady() -> None:
    assert _Run().windows(0, 130).windows(130, 136, quiet=("prod",)).told() == {("telemetry_lost", "prod")}


def test_islands_of_three_minutes_with_gaps_between_alarm_nobody() -> None:
    run = _Run()
    for island in range(4):
        first = island * 1000
        run.windows(first, first + 36).windows(first + 36, first + 48, quiet=("prod",))
    assert run.told() == set()


def test_an_environment_whose_hosts_go_on_is_silent_and_not_lost() -> None:
    run = _Run().windows(0, 130)
    for window in range(130, 136):
        host = _rate("prod", "host", "node7", window, 3.0, metric="cpu", width_s=0)
        run.call(window, [*_estate(window, quiet=("prod",)), host])
    assert run.told() == {("silence", "prod")}


def test_few_requests_are_missed_later_than_many() -> None:
    run = _Run()
    for window in range(20):
        rows = [_rate("prod", "service", "busy", window, 10.0), _rate("prod", "service", "rare", window, 0.0, 0.3, is_anomaly=False)]
        run.call(window, rows)
    times = [row["time"] for row in run.anomalies if row["metric"] == "silence"]
    # 0.3 a second: twenty are missing after 67 s
    assert min(times) == _START + timedelta(seconds=65)


def test_late_requests_withdraw_a_silence() -> None:
    run = _Run().windows(0, 5).windows(5, 9, quiet=("prod b",))
    assert ("silence", "b") in run.told()
    run.call(9, [_rate("prod", "service", "b", window, 8.0, revision=2, weight=40.0) for window in (7, 8)])
    last = {(row["metric"], row["entity"], row["time"]): row["is_anomaly"] for row in run.anomalies}
    assert not any(odd for (metric, entity, _), odd in last.items() if (metric, entity) == ("silence", "b"))


def test_late_requests_of_what_was_never_silent_say_nothing_new() -> None:
    run = _Run().windows(0, 5)
    told = len(run.anomalies)
    state, out = on_batch(run.state, pa.Table.from_pylist([_rate("prod", "service", "b", 3, 12.0, revision=2)], schema=SCORE.arrow), 10**13)
    assert out.scores.num_rows == 1
    assert len(run.anomalies) == told


def test_who_flows_again_is_counted_anew() -> None:
    run = _Run().windows(0, 5).windows(5, 7, quiet=("prod b",)).windows(7, 8).windows(8, 10, quiet=("prod b",))
    assert ("silence", "b") not in run.told()
