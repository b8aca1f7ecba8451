from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.measure.cumulative import CumulativeSeries
from tests.measure.rows import START, metric_points

_EDGES = [0.0, 1.0, 2.0, math.inf]


def _counter(at: float, value: float, started_at: float | None = None, **more: Any) -> dict[str, Any]:
    began = None if started_at is None else START + int(started_at * 1e6)
    return {"at": at, "value": value, "is_cumulative": True, "started_at": began, "counters": [value], "edges": [], "metric": "req", **more}


def _histogram(at: float, counts: list[float], total: float, edges: list[float] | None = None, **more: Any) -> dict[str, Any]:
    counters = [sum(counts), total, *counts]
    known = {"counters": counters, "edges": _EDGES if edges is None else edges, "metric": "lat.count{route=/a}"}
    return _counter(at, sum(counts), **{**known, **more})


def _told(state: CumulativeSeries, *rows: dict[str, Any]) -> dict[str, float]:
    points = state.differences(metric_points(*rows))
    return dict(zip(points.column("metric").to_pylist(), points.column("value").to_pylist(), strict=True))


def test_a_counter_becomes_a_rate_per_second() -> None:
    state = CumulativeSeries(100)
    assert _told(state, _counter(0, 100)) == {}
    assert _told(state, _counter(10, 150)) == {"req.rate": 5.0}


def test_the_first_point_of_a_known_start_counts_from_it() -> None:
    assert _told(CumulativeSeries(100), _counter(10, 50, started_at=0)) == {"req.rate": 5.0}


def test_a_counter_that_fell_counts_from_zero() -> None:
    state = CumulativeSeries(100)
    _told(state, _counter(0, 100))
    assert _told(state, _counter(10, 20)) == {"req.rate": 2.0}


def test_a_counter_that_began_anew_counts_from_its_new_start_even_where_it_is_higher() -> None:
    state = CumulativeSeries(100)
    _told(state, _counter(0, 10, started_at=-100))
    assert _told(state, _counter(10, 40, started_at=5)) == {"req.rate": 8.0}


def test_a_point_no_newer_than_the_last_says_nothing() -> None:
    state = CumulativeSeries(100)
    _told(state, _counter(0, 10), _counter(10, 20))
    assert _told(state, _counter(10, 20), _counter(5, 12)) == {}
    assert state.dropped == 2


def test_a_histogram_tells_what_came_since_the_point_before() -> None:
    state = CumulativeSeries(100)
    _told(state, _histogram(0, [100, 0, 0], 50))
    told = _told(state, _histogram(10, [100, 10, 0], 65))
    assert told == {
        "lat.count{route=/a}": 10.0,
        "lat.sum{route=/a}": 15.0,
        "lat.mean{route=/a}": 1.5,
        "lat.p50{route=/a}": 1.5,
        "lat.p95{route=/a}": pytest.approx(1.95),
        "lat.p99{route=/a}": pytest.approx(1.99),
    }


def test_exponential_buckets_may_widen_and_coarsen_between_points() -> None:
    state = CumulativeSeries(100)
    fine = [0.0, 1.0, 2.0**0.5, 2.0, 2.0**1.5]
    _told(state, _histogram(0, [0, 1, 2, 3], 9, edges=fine))
    told = _told(state, _histogram(10, [0, 3, 3, 4], 25, edges=[0.0, 1.0, 2.0, 4.0, 8.0]))
    assert told["lat.count{route=/a}"] == 4.0
    assert told["lat.p50{route=/a}"] == 6.0


def test_buckets_that_do_not_nest_say_nothing_once() -> None:
    state = CumulativeSeries(100)
    _told(state, _histogram(0, [5, 5, 5], 9))
    other = [10.0, 20.0, 30.0, math.inf]
    assert _told(state, _histogram(10, [6, 6, 6], 20, edges=other)) == {}
    assert _told(state, _histogram(20, [6, 7, 6], 35, edges=other))["lat.p50{route=/a}"] == 25.0


def test_values_since_the_start_that_came_along_are_left_out_and_others_pass() -> None:
    since_start = {"at": 0, "value": 9.0, "metric": "lat.p95{route=/a}", "is_cumulative": True}
    assert _told(CumulativeSeries(100), since_start, {"at": 0, "value": 0.5, "metric": "cpu"}) == {"cpu": 0.5}


def test_the_longest_unseen_series_are_forgotten_first() -> None:
    state = CumulativeSeries(20)
    _told(state, *(_counter(i, 1, entity=f"host{i}") for i in range(21)))
    assert len(state) == 19
    assert _told(state, _counter(100, 2, entity="host0")) == {}
    assert _told(state, _counter(100, 2, entity="host20")) == {"req.rate": pytest.approx(1 / 80)}


_rows = st.lists(
    st.builds(
        lambda at, host, count: _histogram(at, [count, 1, 0], count, entity=f"host{host}"),
        st.integers(0, 20), st.integers(0, 3), st.integers(0, 9),
    ),
    max_size=12,
)  # fmt: skip


@given(_rows, st.integers(0, 12))
def test_state_that_was_stored_goes_on_like_the_live_one(rows: list[dict[str, Any]], cut: int) -> None:
    live = CumulativeSeries(100)
    stored: dict[str, bytes] = {}
    for batch in (rows[:cut], rows[cut:]):
        restored = CumulativeSeries(100)
        restored.restore("c", stored)
        points = metric_points(*batch) if batch else metric_points({"value": 1.0})
        expected = live.differences(points)
        assert restored.differences(points).equals(expected)
        stored |= {name: blob for name, blob in live.changes("c").items() if blob is not None}


@given(_rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_within_a_tick_changes_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    table = metric_points(*rows) if rows else metric_points({"value": 1.0})
    order = list(range(table.num_rows))
    random.shuffle(order)

    def told(points: pa.Table) -> pa.Table:
        return CumulativeSeries(100).differences(points).sort_by([(n, "ascending") for n in ("entity", "metric", "time", "offset")])

    assert told(table).equals(told(table.take(pa.array(order))))
