"""The Flink operator, with fake contexts: state is written through and a new instance goes on where the old one was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("pyflink")

from pyflink.common import Row

from jobs.operators.ticked import TickedOperator
from schemas.framing import from_payload, to_payload
from tests.operators.test_ticks import SumStage


class FakeMapState:
    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def remove(self, key: str) -> None:
        del self.values[key]

    def items(self) -> Iterator[tuple[str, bytes]]:
        return iter(list(self.values.items()))


class FakeValueState:
    def __init__(self) -> None:
        self.held: int | None = None

    def value(self) -> int | None:
        return self.held

    def update(self, value: int) -> None:
        self.held = value


class FakeContext:
    """Runtime context, timer service and key in one; keeps state across operator instances, as Flink does."""

    def __init__(self) -> None:
        self.maps: dict[str, FakeMapState] = {}
        self.clock = FakeValueState()
        self.timers: list[int] = []
        self.watermark = -1

    def get_map_state(self, descriptor: Any) -> FakeMapState:
        return self.maps.setdefault(descriptor.name, FakeMapState())

    def get_state(self, descriptor: Any) -> FakeValueState:
        return self.clock

    def get_current_key(self) -> int:
        return 7

    def timer_service(self) -> FakeContext:
        return self

    def register_event_time_timer(self, timestamp: int) -> None:
        self.timers.append(timestamp)

    def current_watermark(self) -> int:
        return self.watermark


def _operator(ctx: FakeContext) -> TickedOperator:
    operator = TickedOperator(SumStage, 1000, [7])
    operator.open(ctx)
    return operator


def _send(operator: TickedOperator, ctx: FakeContext, tick_ms: int, number: int) -> None:
    operator.process_element(Row("numbers", 7, tick_ms, to_payload(pa.table({"x": [number]}))), ctx)


def _fire(operator: TickedOperator, ctx: FakeContext, watermark: int) -> list[tuple[str, int, int, int]]:
    ctx.watermark = watermark
    rows = operator.on_timer(min(ctx.timers), ctx)
    return [(row[0], row[1], row[2], from_payload(row[3]).column("total")[0].as_py()) for row in rows]


def test_a_timer_is_set_for_the_last_millisecond_of_the_tick_and_rows_wait_in_state_until_then() -> None:
    ctx = FakeContext()
    operator = _operator(ctx)
    _send(operator, ctx, 2000, 1)
    _send(operator, ctx, 2000, 2)
    assert ctx.timers == [1999]
    assert len(ctx.maps["buffer"].values) == 2
    assert _fire(operator, ctx, 1999) == [("sums", 7, 2000, 3)]
    assert ctx.maps["buffer"].values == {}
    assert ctx.clock.held == 2000


def test_a_watermark_that_jumps_runs_every_tick_and_deadline_in_order() -> None:
    ctx = FakeContext()
    operator = _operator(ctx)
    _send(operator, ctx, 9000, 4)
    _send(operator, ctx, 2000, 1)
    assert [tick for _, _, tick, _ in _fire(operator, ctx, 50_000)] == [2000, 5000, 9000, 12000]


def test_a_new_instance_goes_on_from_the_state_of_the_old_one() -> None:
    ctx = FakeContext()
    first = _operator(ctx)
    _send(first, ctx, 1000, 5)
    assert _fire(first, ctx, 999) == [("sums", 7, 1000, 5)]
    _send(first, ctx, 2000, 6)
    second = _operator(ctx)
    _send(second, ctx, 2000, 7)
    assert _fire(second, ctx, 1999) == [("sums", 7, 2000, 18)]
