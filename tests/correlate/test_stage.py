"""Which anomalies become which incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.correlate import CorrelateState, on_batch
from jobs.correlate.anomaly import service_of
from jobs.knobs import Knobs
from schemas.point import ANOMALY, INCIDENT, SCORE

_START = datetime(2026, 1, 1, 12, 3, 5, tzinfo=UTC)
_KNOBS = Knobs(correlate_gap=120_000, correlate_alone_score=90)


def _score(at: float, entity: str, score: float = 95.0, **more: Any) -> dict[str, Any]:
    """A SCORE row; `at` = start of its window, seconds."""
    time = _START + timedelta(seconds=at)
    row = {"environment": "prod", "entity_kind": "service", "metric": "latency_ms_p95", "width_s": 5, "is_anomaly": True, "revision": 1}
    numbers = {"value": 412.0, "weight": 9.0, "expected": 120.0, "lower": 90.0, "upper": 160.0, "deviation_score": score}
    return {**row, **numbers, "time": time, "entity": entity, "score": score, "reason": "", "emitted_at": time, **more}


class _Run:
    """A stage fed tick by tick; optionally restarted from its segments after every call."""

    def __init__(self, calls: tuple[tuple[str, str], ...] = (), restart: bool = False) -> None:
        self.state = CorrelateState.load({}, _KNOBS)
        self.state.learn_calls(calls)
        self.restart = restart
        self.segments: dict[str, bytes] = {}
        self.anomalies: list[dict[str, Any]] = []
        self.incidents: list[dict[str, Any]] = []

    def call(self, at: float, *rows: dict[str, Any], calls: tuple[tuple[str, str], ...] = ()) -> tuple[int, int]:
        """Rows that arrive `at` seconds; how many anomalies and incidents came out."""
        now_ms = round((_START + timedelta(seconds=at)).timestamp() * 1000)
        self.state, out = on_batch(self.state, pa.Table.from_pylist(list(rows), schema=SCORE.arrow), now_ms, calls)
        for name, blob in self.state.changes().items():
            if blob is None:
                del self.segments[name]
            else:
                self.segments[name] = blob
        if self.restart:
            self.state = CorrelateState.load(self.segments, _KNOBS)
        assert out.anomalies.schema.equals(ANOMALY.arrow)
        assert out.incidents.schema.equals(INCIDENT.arrow)
        self.anomalies += out.anomalies.to_pylist()
        self.incidents += out.incidents.to_pylist()
        return out.anomalies.num_rows, out.incidents.num_rows

    def view(self) -> list[dict[str, Any]]:
        """Incidents as readers see them: latest revision, merged ones left out."""
        latest = {row["incident_id"]: row for row in sorted(self.incidents, key=lambda row: row["revision"])}
        return [row for row in latest.values() if row["status"] != "merged"]

    def members(self) -> dict[str, list[str]]:
        """Entities of each incident, by the anomalies' latest revision."""
        latest = {row["anomaly_id"]: row for row in sorted(self.anomalies, key=lambda row: row["revision"])}
        found: dict[str, list[str]] = {}
        for row in latest.values():
            if row["is_anomaly"] and row["incident_id"]:
                found.setdefault(row["incident_id"], []).append(row["entity"])
        return {key: sorted(entities) for key, entities in found.items()}


@pytest.mark.parametrize(
    ("kind", "entity", "service"),
    [
        ("service", "cart", "cart"),
        ("route", "cart GET /items/{id}", "cart"),
        ("host", "cart-service-5f6585d649-fnmft", "cart-service"),
        ("host", "node7", "node7"),
        ("client", "10.0.0.1", ""),
        ("environment", "prod", ""),
        ("metric", "queue", ""),
    ],
)
def test_an_entity_has_a_service(kind: str, entity: str, service: str) -> None:
    assert service_of(kind, entity) == service


def test_one_strong_anomaly_is_an_incident() -> None:
    run = _Run()
    assert run.call(7, _score(0, "cart", 95)) == (1, 1)
    (incident,) = run.view()
    assert (incident["status"], incident["revision"], incident["anomaly_count"]) == ("open", 1, 1)
    assert incident["started_at"] == _START
    assert incident["ended_at"] == _START + timedelta(seconds=5)
    assert incident["summary"] == "cart: latency_ms_p95 412 ms, expected 120 (90..160), since 12:03:05; 1 anomaly in 1 service"


def test_a_weak_anomaly_waits_for_a_second() -> None:
    run = _Run()
    assert run.call(7, _score(0, "cart", 80)) == (1, 0)
    assert run.anomalies[0]["incident_id"] == ""
    # the first anomaly is told again, now with its incident
    assert run.call(12, _score(5, "cart", 80)) == (2, 1)
    assert run.members() == {run.anomalies[0]["anomaly_id"]: ["cart", "cart"]}


def test_a_weak_anomaly_left_alone_never_becomes_an_incident() -> None:
    run = _Run()
    run.call(7, _score(0, "cart", 80))
    assert run.call(127) == (0, 0)
    assert run.call(200, _score(190, "cart", 80)) == (1, 0)
    assert run.state.next_deadline_ms() == round((_START + timedelta(seconds=320)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("calls", "incidents"),
    [
        ((), 2),
        ((("cart", "db"),), 1),
        ((("db", "cart"),), 1),
        ((("cart", "api"), ("api", "db")), 1),
        ((("cart", "a"), ("a", "b"), ("b", "db")), 2),
    ],
)
def test_services_at_most_two_calls_apart_share_an_incident(calls: tuple[tuple[str, str], ...], incidents: int) -> None:
    run = _Run(calls)
    run.call(7, _score(0, "cart"), _score(0, "db"))
    assert len(run.view()) == incidents


@pytest.mark.parametrize(("later", "incidents"), [(124, 1), (125, 1), (126, 2)])
def test_anomalies_further_apart_than_the_gap_are_two_incidents(later: int, incidents: int) -> None:
    run = _Run()
    run.call(7, _score(0, "cart"))
    run.call(8, _score(later, "cart"))
    assert len(run.view()) == incidents


def test_environments_do_not_share_incidents() -> None:
    run = _Run()
    run.call(7, _score(0, "cart"), _score(0, "cart", environment="test"))
    assert {row["environment"] for row in run.view()} == {"prod", "test"}


def test_an_anomaly_that_connects_two_incidents_merges_the_younger_into_the_older() -> None:
    run = _Run((("api", "cart"), ("api", "db")))
    run.state.calls = type(run.state.calls)()
    run.call(7, _score(0, "cart"))
    run.call(12, _score(5, "db"))
    assert len(run.view()) == 2
    run.call(17, _score(10, "api"), calls=(("api", "cart"), ("api", "db")))
    (incident,) = run.view()
    assert incident["first_entity"] == "cart"
    assert run.members() == {incident["incident_id"]: ["api", "cart", "db"]}
    assert [row["status"] for row in run.incidents if row["incident_id"] != incident["incident_id"]] == ["open", "merged"]


def test_what_has_no_service_joins_the_oldest_open_incident_and_merges_none() -> None:
    run = _Run()
    run.call(7, _score(0, "cart"))
    run.call(12, _score(5, "db"))
    run.call(17, _score(5, "prod", 99, entity_kind="environment"), _score(5, "10.0.0.1", entity_kind="client"))
    by_first = {row["first_entity"]: row for row in run.view()}
    assert by_first["cart"]["anomaly_count"] == 3
    assert by_first["db"]["anomaly_count"] == 1
    assert (by_first["cart"]["strongest_entity_kind"], by_first["cart"]["max_score"]) == ("environment", 99.0)


def test_the_strongest_of_equal_scores_is_that_of_the_larger_effect() -> None:
    run = _Run((("cart", "db"),))
    run.call(7, _score(0, "cart", 100), _score(5, "db", 100, value=900.0))
    (incident,) = run.view()
    assert (incident["first_entity"], incident["strongest_entity"]) == ("cart", "db")


def test_quiet_closes_an_incident() -> None:
    run = _Run()
    run.call(7, _score(0, "cart"))
    assert run.state.next_deadline_ms() == round((_START + timedelta(seconds=127)).timestamp() * 1000)
    assert run.call(126) == (0, 0)
    assert run.call(127) == (0, 1)
    assert run.view()[0]["status"] == "closed"
    assert run.state.next_deadline_ms() is None


def test_the_same_row_again_changes_nothing() -> None:
    run = _Run()
    run.call(7, _score(0, "cart"), _score(0, "cart"))
    assert run.call(9, _score(0, "cart")) == (0, 0)


def test_a_withdrawn_anomaly_leaves_its_incident() -> None:
    run = _Run()
    run.call(7, _score(0, "cart"), _score(5, "cart", 99))
    run.call(9, _score(5, "cart", 10, is_anomaly=False, revision=2))
    last = run.anomalies[-1]
    assert (last["is_anomaly"], last["revision"], last["incident_id"]) == (False, 2, "")
    assert (run.view()[0]["anomaly_count"], run.view()[0]["max_score"]) == (1, 95.0)


def test_an_incident_whose_anomalies_are_all_withdrawn_is_closed_and_comes_back_when_they_do() -> None:
    run = _Run(restart=True)
    run.call(7, _score(0, "cart"))
    run.call(9, _score(0, "cart", 10, is_anomaly=False, revision=2))
    (incident,) = run.view()
    assert (incident["status"], incident["anomaly_count"]) == ("closed", 0)
    run.call(11, _score(0, "cart", 97, revision=3))
    (again,) = run.view()
    assert (again["incident_id"], again["status"], again["revision"]) == (incident["incident_id"], "open", 3)
    assert run.members() == {incident["incident_id"]: ["cart"]}


def test_a_withdrawal_of_what_never_was_an_anomaly_is_nothing() -> None:
    run = _Run()
    assert run.call(7, _score(0, "cart", 10, is_anomaly=False, revision=2)) == (0, 0)
    assert run.call(8, _score(5, "cart", is_anomaly=True), _score(5, "cart", 9, is_anomaly=False, revision=2)) == (0, 0)


def test_a_wide_window_joins_a_closed_incident_within_it_without_stretching_it() -> None:
    run = _Run()
    run.call(7, _score(0, "cart"))
    run.call(127)
    run.call(1800, _score(-1000, "cart", width_s=3600))
    (incident,) = run.view()
    assert (incident["status"], incident["anomaly_count"]) == ("closed", 2)
    assert incident["ended_at"] == _START + timedelta(seconds=5)


def test_what_nothing_can_change_any_more_is_forgotten() -> None:
    run = _Run(restart=True)
    run.call(7, _score(0, "cart"))
    run.call(127)
    run.call(100_000)
    assert list(run.segments) == ["budget"]


_EVENT = st.tuples(
    st.integers(0, 400), st.sampled_from(["a", "b", "c", "d"]), st.sampled_from([70.0, 95.0]), st.booleans(), st.integers(1, 3)
)


def _replay(ticks: list[list[tuple[int, str, float, bool, int]]], restart: bool = False, backwards: bool = False) -> _Run:
    run = _Run((("a", "b"), ("c", "d")), restart)
    for i, tick in enumerate(ticks):
        rows = {(at, entity, revision): (score, flag) for at, entity, score, flag, revision in tick}
        scored = [_score(at, e, score, is_anomaly=flag, revision=revision) for (at, e, revision), (score, flag) in sorted(rows.items())]
        run.call(10 + 60 * i, *(reversed(scored) if backwards else scored))
    return run


@settings(max_examples=30)
@given(st.lists(st.lists(_EVENT, max_size=6), min_size=1, max_size=6))
def test_neither_a_restart_nor_the_order_within_a_tick_changes_anything(ticks: list[Any]) -> None:
    one, restarted, turned = _replay(ticks), _replay(ticks, restart=True), _replay(ticks, backwards=True)
    assert one.anomalies == restarted.anomalies == turned.anomalies
    assert one.incidents == restarted.incidents == turned.incidents


@settings(max_examples=30)
@given(st.lists(st.lists(_EVENT, max_size=6), min_size=1, max_size=6))
def test_an_incident_counts_its_anomalies_and_revisions_only_grow(ticks: list[Any]) -> None:
    run = _replay(ticks)
    members = run.members()
    for incident in run.view():
        assert incident["anomaly_count"] == len(members.get(incident["incident_id"], ()))
    for rows, key in ((run.anomalies, "anomaly_id"), (run.incidents, "incident_id")):
        seen: dict[str, int] = {}
        for row in rows:
            assert row["revision"] > seen.get(row[key], 0)
            seen[row[key]] = row["revision"]
