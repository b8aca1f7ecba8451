"""The Flink operator around a stage: keyed state in, keyed state out, event-time timers as wake-ups; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from jobs.operators.stage import Stage
from jobs.operators.ticks import TickDriver
from schemas.framing import to_payload

__all__ = ["FRAME_TYPE", "TickedOperator"]

FRAME_TYPE = Types.ROW_NAMED(
    ["target", "label", "tick_ms", "payload"], [Types.STRING(), Types.INT(), Types.LONG(), Types.PRIMITIVE_ARRAY(Types.BYTE())]
)
"""An element in flight: what it is, the key it goes to, the tick it is due in, and one Arrow payload."""


class TickedOperator(KeyedProcessFunction):
    """Runs a stage per key, tick by tick.

    Flink state is the truth: the buffer of rows that wait, the stage's segments and the clock. A live copy per key is kept in
    memory and written through; it is rebuilt when a key is first met after a start.
    """

    def __init__(self, stage: Callable[[], Stage[Any]], tick_ms: int, labels: list[int]) -> None:
        self._make_stage = stage
        self._tick_ms = tick_ms
        self._labels = labels

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handles; state is read when a key is met."""
        blob = Types.PRIMITIVE_ARRAY(Types.BYTE())
        self._buffer = runtime_context.get_map_state(MapStateDescriptor("buffer", Types.STRING(), blob))
        self._segments = runtime_context.get_map_state(MapStateDescriptor("segments", Types.STRING(), blob))
        self._clock = runtime_context.get_state(ValueStateDescriptor("clock", Types.LONG()))
        self._live: dict[int, TickDriver] = {}
        self._timers: dict[int, int] = {}
        self._stage = self._make_stage()

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> None:
        """Buffer the frame for its tick."""
        key = ctx.get_current_key()
        driver = self._driver(key)
        name, _ = driver.add(value[0], value[2], value[3])
        self._buffer.put(name, value[3])
        self._arm(key, driver, ctx)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Run every tick the watermark has passed; the timer itself means nothing."""
        key = ctx.get_current_key()
        driver = self._driver(key)
        watermark_ms = max(timestamp, ctx.timer_service().current_watermark())
        for tick_ms, output in driver.advance(watermark_ms, lambda tick, names: self._persist(driver, tick, names)):
            yield Row(output.target, self._labels[output.partition], tick_ms, to_payload(output.table))
        self._timers.pop(key, None)
        self._arm(key, driver, ctx)

    def _driver(self, key: int) -> TickDriver:
        driver = self._live.get(key)
        if driver is None:
            driver = TickDriver.restore(
                self._stage, self._tick_ms, self._clock.value() or 0, dict(self._segments.items()), dict(self._buffer.items())
            )
            self._live[key] = driver
        return driver

    def _persist(self, driver: TickDriver, tick_ms: int, consumed: list[str]) -> None:
        for name in consumed:
            self._buffer.remove(name)
        for name, blob in driver.state.changes().items():
            if blob is None:
                self._segments.remove(name)
            else:
                self._segments.put(name, blob)
        self._clock.update(tick_ms)

    def _arm(self, key: int, driver: TickDriver, ctx: KeyedProcessFunction.Context) -> None:
        wake = driver.next_wake_ms()
        if wake is not None and wake < self._timers.get(key, 1 << 62):
            ctx.timer_service().register_event_time_timer(wake - 1)
            self._timers[key] = wake
