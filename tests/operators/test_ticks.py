"""The tick driver: what comes out is a function of each tick's rows, in whatever pieces and order they came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.operators.stage import Output
from jobs.operators.ticks import TickDriver, tick_end_ms
from schemas.framing import to_payload


class SumState:
    """Running sum; wants to be called `wait` ms after its last data."""

    def __init__(self, total: int = 0, deadline: int | None = None) -> None:
        self.total, self.deadline = total, deadline

    def changes(self) -> dict[str, bytes | None]:
        return {"sum": f"{self.total},{self.deadline or ''}".encode()}

    def next_deadline_ms(self) -> int | None:
        return self.deadline


class SumStage:
    """Adds up numbers per tick; a deadline emits a marker."""

    def load(self, segments: Mapping[str, bytes]) -> SumState:
        if not segments:
            return SumState()
        total, deadline = segments["sum"].decode().split(",")
        return SumState(int(total), int(deadline) if deadline else None)

    def on_tick(self, state: SumState, inputs: Mapping[str, list[pa.Table]], now_ms: int) -> tuple[SumState, Iterable[Output]]:
        added = sum(sum(table.column("x").to_pylist()) for table in inputs.get("numbers", []))
        state.total += added
        expired = state.deadline is not None and state.deadline <= now_ms
        state.deadline = now_ms + 2500 if inputs else (None if expired else state.deadline)
        row = pa.table({"now": [now_ms], "total": [state.total], "expired": [expired]})
        return state, [Output("sums", 0, row)]


def _numbers(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


def _run(arrivals: list[tuple[int, int]], cuts: list[int], crash: bool) -> list[dict[str, Any]]:
    """Feed (arrival_ms, number) rows, cutting watermarks as told; optionally rebuild the driver from what was persisted after each step."""
    stage = SumStage()
    segments: dict[str, bytes] = {}
    buffered: dict[str, bytes] = {}
    clock = 0
    driver = TickDriver(stage, 1000, stage.load({}))
    out: list[dict[str, Any]] = []

    def done(tick: int, names: list[str]) -> None:
        nonlocal clock
        clock = tick
        for name in names:
            del buffered[name]
        segments.update({k: v for k, v in driver.state.changes().items() if v is not None})

    watermark = -1
    for (arrival, number), cut in zip(arrivals, cuts, strict=True):
        name, _ = driver.add("numbers", tick_end_ms(arrival, 1000), payload := to_payload(_numbers(number)))
        buffered[name] = payload
        # rows come from several partitions: the watermark trails the earliest of what is still to come
        later = [a for a, _ in arrivals[arrivals.index((arrival, number)) + 1 :]]
        watermark = max(watermark, min([*later, arrival]) - 1 - cut)
        out += [row for _, o in driver.advance(watermark, done) for row in o.table.to_pylist()]
        if crash:
            driver = TickDriver.restore(stage, 1000, clock, segments, buffered)
    out += [row for _, o in driver.advance(1 << 50, done) for row in o.table.to_pylist()]
    return out


ARRIVALS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 9)), min_size=1, max_size=12, unique=True)


@given(ARRIVALS, st.data())
def test_order_pieces_watermarks_and_crashes_do_not_change_what_comes_out(arrivals: list[tuple[int, int]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(arrivals))
    cuts = data.draw(st.lists(st.integers(0, 3000), min_size=len(arrivals), max_size=len(arrivals)))
    expected = _run(sorted(arrivals), [0] * len(arrivals), crash=False)
    assert _run(shuffled, cuts, crash=False) == expected
    assert _run(shuffled, cuts, crash=True) == expected


def test_rows_that_come_after_their_tick_was_run_are_run_in_the_next() -> None:
    driver = TickDriver(SumStage(), 1000, SumState())
    driver.add("numbers", 1000, _numbers(1))
    assert [o.table.to_pylist()[0]["total"] for _, o in driver.advance(999, lambda *_: None)] == [1]
    name, tick = driver.add("numbers", 1000, _numbers(5))
    assert tick == 2000
    assert name.startswith("000000000002000/")
    assert [(t, o.table.to_pylist()[0]["total"]) for t, o in driver.advance(1999, lambda *_: None)] == [(2000, 6)]


def test_a_tick_is_not_run_before_the_watermark_has_passed_its_last_millisecond() -> None:
    driver = TickDriver(SumStage(), 1000, SumState())
    driver.add("numbers", tick_end_ms(1500, 1000), _numbers(1))
    assert list(driver.advance(1998, lambda *_: None)) == []
    assert len(list(driver.advance(1999, lambda *_: None))) == 1


def test_a_time_on_the_boundary_belongs_to_the_tick_that_begins_there() -> None:
    assert tick_end_ms(1999, 1000) == 2000
    assert tick_end_ms(2000, 1000) == 3000
