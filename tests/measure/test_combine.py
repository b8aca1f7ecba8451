"""Which events count, for whom, in which window."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.knobs import Knobs
from jobs.measure import combine
from jobs.measure.histogram import buckets
from jobs.measure.window import WindowCounts
from schemas.event import ERROR_CATEGORIES, EVENT
from schemas.partial import PARTIAL
from schemas.transaction import TRANSACTION
from tests.measure.rows import MINUTE, SECOND, START, events, transactions
from udfs.hashing import hash_columns

_KNOBS = Knobs()


def _entities(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    out = combine(events(*rows), TRANSACTION.empty(), _KNOBS)
    return list(zip(out.column("entity_kind").to_pylist(), out.column("entity").to_pylist(), strict=True))


def test_a_request_counts_for_environment_route_service_and_client() -> None:
    assert _entities({"client_id": "app"}) == [
        ("client", "app"),
        ("environment", "prod"),
        ("route", "shop GET /items/{id}"),
        ("service", "shop"),
    ]


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        ({"kind": "access"}, True),
        ({"kind": "span", "span_kind": "server", "parent_span_id": "a"}, True),
        ({"kind": "span", "span_kind": "consumer", "parent_span_id": "a"}, True),
        ({"kind": "span", "span_kind": "internal", "parent_span_id": ""}, True),
        ({"kind": "span", "span_kind": "client", "parent_span_id": "a"}, False),
        ({"kind": "log"}, False),
        ({"is_duplicate": True}, False),
    ],
)
def test_requests_are_access_lines_served_spans_and_roots_but_no_duplicates(row: dict[str, Any], counts: bool) -> None:
    assert (("service", "shop") in _entities(row)) is counts


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"environment": ""}, ("environment", "default")),
        ({"environment": None}, ("environment", "default")),
        ({"http_route": "", "span_name": "Cart/Get"}, ("route", "shop Cart/Get")),
        ({"http_request_method": None}, ("route", "shop /items/{id}")),
        ({"client_id": "", "client_address": "10.0.0.1"}, ("client", "10.0.0.1")),
        ({"client_id": "app", "client_address": "10.0.0.1"}, ("client", "app")),
    ],
)
def test_entities_are_named(row: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in _entities(row)


@pytest.mark.parametrize(
    ("row", "kind"), [({"service_name": ""}, "service"), ({"http_route": "", "span_name": ""}, "route"), ({}, "client")]
)
def test_an_entity_without_a_name_is_none(row: dict[str, Any], kind: str) -> None:
    assert kind not in {k for k, _ in _entities(row)}


def test_log_records_count_for_their_template_and_service_only() -> None:
    log = {"kind": "log", "log_template": "order <*> lost", "http_route": None}
    assert _entities(log, log, {**log, "is_duplicate": True}) == [("template", "shop order <*> lost")]
    out = combine(events(log, log, {**log, "is_duplicate": True}), TRANSACTION.empty(), _KNOBS)
    assert out.column("request_count").to_pylist() == [2]


def test_a_window_starts_at_a_multiple_of_the_finest_width_of_its_kind() -> None:
    out = combine(events({"at": 64.9, "client_id": "app"}, {"at": 65.0}), TRANSACTION.empty(), _KNOBS)
    starts = set(zip(out.column("entity_kind").to_pylist(), out.column("window_start").cast(pa.int64()).to_pylist(), strict=True))
    assert {s for s in starts if s[0] in ("client", "service")} == {
        ("client", START + MINUTE),
        ("service", START + MINUTE),
        ("service", START + MINUTE + 5 * SECOND),
    }


def test_a_transaction_counts_at_its_first_closing_only() -> None:
    out = combine(EVENT.empty(), transactions({}, {"revision": 2, "duration_ms": 99.0}), _KNOBS)
    assert out.column("entity").to_pylist() == ["prod", "shop GET /items/{id}"]
    assert out.column("transaction_counts").to_pylist() == [[1], [1]]
    assert out.column("transaction_buckets").to_pylist() == [[int(buckets(np.array([10.0]))[0])]] * 2
    assert out.column("request_count").to_pylist() == [0, 0]


def test_the_hash_is_that_of_environment_kind_and_name() -> None:
    out = combine(events({"client_id": "app"}), transactions({}), _KNOBS)
    names = [out.column(name) for name in ("environment", "entity_kind", "entity")]
    assert out.column("entity_hash").to_numpy().tolist() == hash_columns(names).tolist()


def test_nothing_gives_nothing() -> None:
    assert combine(EVENT.empty(), TRANSACTION.empty(), _KNOBS).equals(PARTIAL.empty())


_ROW = st.fixed_dictionaries(
    {
        "at": st.floats(0, 20),
        "service_name": st.sampled_from(["a", "b", ""]),
        "environment": st.sampled_from(["prod", ""]),
        "http_route": st.sampled_from(["/x", "/y", ""]),
        "error_category": st.sampled_from(["", *ERROR_CATEGORIES, None]),
        "duration_ms": st.one_of(st.none(), st.floats(0, 1e4)),
        "http_response_body_size": st.one_of(st.none(), st.integers(0, 1000)),
        "client_id": st.sampled_from(["", "app"]),
    }
)


@given(st.lists(_ROW, min_size=1, max_size=30))
def test_counts_are_those_of_a_plain_count(rows: list[dict[str, Any]]) -> None:
    out = combine(events(*rows), TRANSACTION.empty(), _KNOBS).filter(pa.compute.field("entity_kind") == "service")
    plain: Counter[tuple[str, str, int]] = Counter()
    failed: Counter[tuple[str, str, int]] = Counter()
    timed: Counter[tuple[str, str, int]] = Counter()
    sent: Counter[tuple[str, str, int]] = Counter()
    for row in rows:
        start = (START + round(row["at"] * SECOND)) // (5 * SECOND) * 5 * SECOND
        key = (row["environment"], row["service_name"], start)
        if row["service_name"]:
            plain[key] += 1
            failed[key] += bool(row["error_category"])
            timed[key] += row["duration_ms"] is not None
            sent[key] += row["http_response_body_size"] or 0
    for got in out.to_pylist():
        key = (got["environment"], got["entity"], round(got["window_start"].timestamp()) * SECOND)
        assert got["request_count"] == plain.pop(key)
        assert sum(got[f"error_count_{category}"] for category in ERROR_CATEGORIES) == failed[key]
        assert sum(got["duration_counts"] or []) == timed[key]
        assert got["response_bytes"] == sent[key]
    assert not plain


@given(st.lists(_ROW, min_size=1, max_size=30), st.data())
def test_parts_add_up_to_the_whole(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    whole = _sum(combine(events(*rows), TRANSACTION.empty(), _KNOBS))
    parts = [_sum(combine(events(*part), TRANSACTION.empty(), _KNOBS)) for part in (rows[:cut], rows[cut:])]
    both = parts[0].plus(parts[1])
    assert all(np.array_equal(one, other) for one, other in zip(vars(whole).values(), vars(both).values(), strict=True))


def _sum(partials: pa.Table) -> WindowCounts:
    return WindowCounts.of(partials)
