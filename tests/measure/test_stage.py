"""Windows over ticks: against a plain twin, and the rules on lateness, silence, restarts and ready-made points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.knobs import Knobs
from jobs.measure import MeasureState, combine, on_batch
from jobs.measure.histogram import bucket_values, buckets
from schemas.event import METRIC_POINT
from schemas.partial import PARTIAL
from schemas.point import POINT
from tests.measure.rows import SECOND, START, events, metric_points, transactions

_KNOBS = Knobs(measure_widths=(5, 60), measure_client_widths=(60,), measure_late_horizon=60_000)
_IDENTITY = ("environment", "entity_kind", "entity", "metric", "width_s", "time")


class _Run:
    """A stage fed tick by tick (1 s), woken when it asks; optionally restarted from its segments after every call."""

    def __init__(self, knobs: Knobs = _KNOBS, restart: bool = False) -> None:
        self.knobs, self.restart = knobs, restart
        self.state = MeasureState.load({}, knobs)
        self.segments: dict[str, bytes] = {}
        self.out: list[pa.Table] = []
        self.tick = 0

    def call(self, tick: int, partials: pa.Table, points: pa.Table) -> pa.Table:
        self.tick = tick
        self.state, out = on_batch(self.state, partials, points, START // 1000 + tick * 1000)
        for name, blob in self.state.changes().items():
            if blob is None:
                del self.segments[name]
            else:
                self.segments[name] = blob
        if self.restart:
            self.state = MeasureState.load(self.segments, self.knobs)
        self.out.append(out.points)
        return out.points

    def until(self, tick: int) -> None:
        """Answer its wake-ups up to a tick."""
        while (deadline := self.state.next_deadline_ms()) is not None:
            due = max(-(-(deadline - START // 1000) // 1000), self.tick + 1)
            if due > tick:
                break
            self.call(due, PARTIAL.empty(), METRIC_POINT.empty())

    def add(self, tick: int, *rows: dict[str, Any], closed: tuple[dict[str, Any], ...] = ()) -> pa.Table:
        """Events (and transactions) that arrive in a tick; `at` = their own time, seconds."""
        self.until(tick - 1)
        return self.call(tick, combine(events(*rows), transactions(*closed), self.knobs), METRIC_POINT.empty())

    def points(self, *rows: dict[str, Any], tick: int) -> pa.Table:
        self.until(tick - 1)
        return self.call(tick, PARTIAL.empty(), metric_points(*rows))

    def finish(self) -> None:
        self.state.finish()
        self.until(1 << 40)

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        """All points so far, in order of emission, `at` = start of the window in seconds."""
        table = pa.concat_tables(self.out)
        at = pc.divide(pc.subtract(table.column("time").cast(pa.int64()), START), SECOND)
        table = table.append_column("at", at)
        for name, value in where.items():
            table = table.filter(pc.equal(table.column(name), value))
        return table.to_pylist()  # type: ignore[no-any-return]

    def latest(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The highest revision of each point."""
        best: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows():
            key = tuple(row[name] for name in _IDENTITY)
            if key not in best or row["revision"] > best[key]["revision"]:
                best[key] = row
        return best


def _values(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_a_window_comes_out_when_its_wait_is_over() -> None:
    run = _Run()
    run.add(1, {"at": 0.5}, {"at": 0.6, "error_category": "backend", "duration_ms": 100.0, "http_response_body_size": 50})
    run.until(6)
    assert not run.rows(entity_kind="service", width_s=5)
    run.until(7)
    rows = {row["metric"]: row for row in run.rows(entity_kind="service", width_s=5)}
    assert {metric: row["value"] for metric, row in rows.items()} == {
        "request_rate": 0.4,
        "error_ratio": 0.5,
        "error_ratio_backend": 0.5,
        "latency_ms_p50": pytest.approx(100, rel=0.02),
        "latency_ms_p95": pytest.approx(100, rel=0.02),
        "latency_ms_p99": pytest.approx(100, rel=0.02),
        "response_bytes_rate": 10.0,
    }
    assert {(row["weight"], row["revision"], row["source"]) for m, row in rows.items() if "latency" not in m} == {(2.0, 1, "window")}


def test_late_data_amends_its_windows_under_the_same_baseline() -> None:
    run = _Run()
    for second in range(0, 100, 5):
        run.add(second + 1, *({"at": second + 0.5} for _ in range(10)))
    run.add(110, {"at": 90.0, "error_category": "timeout"})
    rates = run.rows(entity_kind="service", width_s=5, metric="request_rate", at=90)
    assert _values(rates, "revision", "value", "weight") == [(1, 2.0, 10.0), (2, 2.2, 11.0)]
    assert len({(r["expected"], r["spread"], r["history_count"], r["previous"]) for r in rates}) == 1
    assert rates[0]["expected"] == 2.0
    assert _values(run.rows(entity_kind="service", width_s=5, metric="error_ratio_timeout"), "revision") == [(1,)]


def test_the_same_rows_again_later_change_only_what_they_change() -> None:
    run = _Run()
    run.add(1, {"at": 0.5, "duration_ms": 5.0})
    run.until(8)
    out = run.add(9, {"at": 0.6, "duration_ms": 5.0})
    assert set(out.column("revision").to_pylist()) == {2}
    untouched = run.add(10)
    assert untouched.num_rows == 0


def test_what_comes_after_the_horizon_is_counted_and_left_to_wider_windows() -> None:
    run = _Run()
    run.add(1, {"at": 0.5})
    out = run.add(70, {"at": 1.0})
    assert set(out.column("width_s").to_pylist()) == {60}
    # environment, service and route
    assert run.state.late_dropped == 3
    assert run.add(200, {"at": 1.0}).num_rows == 0
    assert run.state.late_dropped == 6


def test_a_clock_far_ahead_is_counted_not_kept() -> None:
    run = _Run()
    run.add(1, {"at": 0.5}, {"at": 10_000.0})
    assert run.state.future_dropped == 3
    run.until(1 << 40)
    assert max(row["at"] for row in run.rows()) < 1_000


def test_silence_is_told_as_0_for_12_windows_and_then_no_more() -> None:
    run = _Run()
    run.add(1, {"at": 0.5})
    run.until(1 << 40)
    rates = run.rows(entity_kind="service", width_s=5, metric="request_rate")
    assert _values(rates, "at", "value", "weight") == [(0, 0.2, 1.0), *((5 * i, 0.0, 0.0) for i in range(1, 13))]
    assert len(run.rows(entity_kind="service", width_s=5, metric="error_ratio")) == 1


def test_after_the_end_of_the_input_there_is_no_silence_and_no_judgement_of_cut_windows() -> None:
    run = _Run()
    for second in range(0, 125, 5):
        run.add(second + 1, {"at": second + 0.5})
    run.finish()
    rows = run.rows(entity_kind="service", metric="request_rate")
    assert all(row["value"] > 0 for row in rows)
    assert [row["expected"] for row in rows if row["at"] == 120] == [None, None]
    assert run.state.next_deadline_ms() is None
    # the job goes on after all: silence is told again
    run.add(400, {"at": 399.5})
    run.until(420)
    assert run.rows(entity_kind="service", width_s=5, metric="request_rate", at=400)[0]["value"] == 0


def test_error_categories_have_points_only_once_they_occur_and_then_a_past_without_errors() -> None:
    run = _Run()
    for second in range(0, 100, 5):
        run.add(second + 1, *({"at": second + 0.5, "error_category": "backend" if second == 90 else ""} for _ in range(4)))
    run.until(110)
    rows = run.rows(entity_kind="service", width_s=5, metric="error_ratio_backend")
    assert _values(rows, "at", "value", "expected", "history_count") == [(90, 1.0, 0.0, 18), (95, 0.0, 0.0, 19)]


def test_clients_have_rate_and_error_ratio_in_their_own_widths() -> None:
    run = _Run()
    run.add(1, {"at": 0.5, "client_id": "app", "error_category": "timeout", "duration_ms": 1.0})
    run.until(70)
    assert _values(run.rows(entity_kind="client"), "metric", "width_s", "value") == [
        ("error_ratio", 60, 1.0),
        ("request_rate", 60, pytest.approx(1 / 60)),
    ]


def test_transactions_that_close_after_their_window_still_get_a_baseline() -> None:
    run = _Run()
    for second in range(0, 100, 5):
        run.add(second + 1, {"at": second + 0.5})
        # 10 s after their start: their window was emitted 3 s before
        run.add(second + 4, closed=({"at": second - 5.5, "duration_ms": 40.0},) if second >= 10 else ())
    rows = run.rows(entity_kind="environment", width_s=5, metric="transaction_duration_ms_p50")
    assert {row["revision"] for row in rows} == {1}
    assert rows[-1]["expected"] == pytest.approx(40, rel=0.02)


_BATCH = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(["a", "b"]), st.sampled_from(["", "backend"]), st.sampled_from([None, 1.0, 80.0])),
    max_size=6,
)


def _rows(batch: list[tuple[int, str, str, float | None]], tick: int) -> list[dict[str, Any]]:
    return [{"at": tick - age, "service_name": s, "error_category": e, "duration_ms": d, "client_id": s} for age, s, e, d in batch]


@given(st.lists(_BATCH, min_size=1, max_size=8))
def test_windows_hold_what_a_plain_count_holds(batches: list[Any]) -> None:
    run = _Run()
    plain: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for i, batch in enumerate(batches):
        tick = 30 + 3 * i
        rows = _rows(batch, tick)
        run.add(tick, *rows)
        for row in rows:
            for width in (5, 60):
                plain[row["service_name"], width, row["at"] // width * width].append(row)
    run.finish()
    got = {(r["entity"], r["width_s"], r["at"], r["metric"]): r for r in run.latest().values() if r["entity_kind"] == "service"}
    for (service, width, at), rows in plain.items():
        assert got.pop((service, width, at, "request_rate"))["value"] == pytest.approx(len(rows) / width)
        assert got.pop((service, width, at, "error_ratio"))["value"] == pytest.approx(np.mean([bool(r["error_category"]) for r in rows]))
        timed = np.sort([r["duration_ms"] for r in rows if r["duration_ms"]])
        if len(timed):
            median = bucket_values(buckets(timed))[(len(timed) - 1) // 2]
            assert got.pop((service, width, at, "latency_ms_p50"))["value"] == pytest.approx(median)
    assert not [key for key, row in got.items() if key[3] in ("request_rate", "error_ratio", "latency_ms_p50") and row["value"] != 0]


def _replay(batches: list[Any], change: Callable[[pa.Table], pa.Table] = lambda t: t, restart: bool = False) -> pa.Table:
    run = _Run(restart=restart)
    for i, batch in enumerate(batches):
        tick = 30 + 7 * i
        run.until(tick - 1)
        closed = transactions(*({"at": tick - age, "duration_ms": d} for age, _, _, d in batch if d))
        points = metric_points({"at": tick, "value": float(len(batch))})
        run.call(tick, change(combine(events(*_rows(batch, tick)), closed, _KNOBS)), points)
    run.finish()
    return pa.concat_tables(run.out)


@settings(max_examples=15)
@given(st.lists(_BATCH, min_size=1, max_size=6))
def test_a_restart_after_any_tick_changes_nothing(batches: list[Any]) -> None:
    assert _replay(batches, restart=True).equals(_replay(batches))


@settings(max_examples=15)
@given(st.lists(_BATCH, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_and_the_pieces_of_a_tick_do_not_matter(batches: list[Any], random: Any) -> None:
    def shuffle(partials: pa.Table) -> pa.Table:
        order = list(range(partials.num_rows))
        random.shuffle(order)
        return partials.take(pa.array(order, pa.int64()))

    assert _replay(batches, shuffle).equals(_replay(batches))


def test_ready_made_points_come_out_once_each_with_a_baseline() -> None:
    run = _Run()
    for i in range(20):
        run.points({"at": i, "value": 5.0}, {"at": i, "value": 1.0, "metric": "memory"}, tick=i + 1)
    rows = run.rows(metric="cpu")
    assert _values(rows, "at", "value", "width_s", "source", "revision") == [(i, 5.0, 0, "otlp", 1) for i in range(20)]
    assert _values(rows, "expected", "history_count")[-1] == (5.0, 19)
    assert len(run.rows(metric="memory")) == 20


def test_a_ready_made_point_that_comes_again_is_left_out_and_a_corrected_one_revised() -> None:
    run = _Run()
    run.points({"at": 0, "value": 5.0}, {"at": 0, "value": 5.0}, tick=1)
    run.points({"at": 0, "value": 5.0}, tick=2)
    run.points({"at": 0, "value": 6.0}, {"at": 1, "value": None}, tick=3)
    assert _values(run.rows(), "at", "value", "revision") == [(0, 5.0, 1), (0, 6.0, 2), (1, None, 1)]
    assert run.state.repeated_dropped == 2


def test_several_points_of_one_series_in_one_tick_are_taken_in_order_of_time() -> None:
    at_once, one_by_one = _Run(), _Run()
    rows = [{"at": i, "value": float(i % 7)} for i in range(30)]
    at_once.points(*reversed(rows), tick=40)
    for i, row in enumerate(rows):
        one_by_one.points(dict(row), tick=i + 1)
    names = ("at", "value", "expected", "spread", "previous", "history_count")
    assert _values(at_once.rows(), *names) == _values(one_by_one.rows(), *names)


def test_above_the_bound_the_longest_unseen_series_go_first() -> None:
    knobs = Knobs(measure_widths=(5,), measure_client_widths=(60,), measure_max_series=20)
    run = _Run(knobs, restart=True)
    for i in range(15):
        run.add(10 * i + 1, {"at": 10 * i, "service_name": f"s{i}"})
    run.until(200)
    assert sum(len(pool) for _, pool in run.state.pools()) <= 20
    pool = run.state.windows.pools[0]
    alive = run.state.names.names(np.unique(pool["entity"][pool["key"] != 0]))[2].to_pylist()
    assert "s14" in alive
    assert "s0" not in alive


def test_an_empty_state_wants_nothing_and_gives_the_declared_schema() -> None:
    state = MeasureState.load({}, _KNOBS)
    assert state.next_deadline_ms() is None
    assert on_batch(state, PARTIAL.empty(), METRIC_POINT.empty(), START // 1000)[1].points.schema.equals(POINT.arrow)


def test_state_of_other_widths_begins_afresh() -> None:
    run = _Run()
    run.add(1, {"at": 0.5})
    other = MeasureState.load(run.segments, Knobs(measure_widths=(10, 60)))
    assert other.next_deadline_ms() is None
