"""Ticks of the broker clock: buffers what arrives and calls a stage once per tick, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jobs.operators.stage import Output, Stage
from schemas.framing import from_payload

__all__ = ["TickDriver", "tick_end_ms"]


def tick_end_ms(time_ms: int, tick_ms: int) -> int:
    """End (exclusive) of the tick that holds `time_ms`: 1999 -> 2000, 2000 -> 3000 for ticks of 1000 ms."""
    return (time_ms // tick_ms + 1) * tick_ms


@dataclass
class TickDriver:
    """One key partition of one stage: its state, its clock and what waits for its tick.

    What comes out depends on the rows of each tick only, not on when or in which pieces they were added, as long as a tick is
    complete when the watermark passes it. What comes after its tick was run is run in the next one: never lost.
    """

    stage: Stage[Any]
    tick_ms: int
    state: Any
    clock_ms: int = 0
    """End of the last tick that was run."""
    pending: dict[int, list[tuple[str, str, bytes | pa.Table]]] = field(default_factory=dict)
    """tick -> (name of the buffered entry, target, payload)."""

    @classmethod
    def restore(
        cls, stage: Stage[Any], tick_ms: int, clock_ms: int, segments: Mapping[str, bytes], buffered: Mapping[str, bytes]
    ) -> TickDriver:
        """From what was kept: names are 'tick/target/sequence', see `add`."""
        driver = cls(stage, tick_ms, stage.load(segments), clock_ms)
        for name in sorted(buffered):
            tick, target, _ = name.split("/", 2)
            driver.pending.setdefault(int(tick), []).append((name, target, buffered[name]))
        return driver

    def add(self, target: str, due_ms: int, payload: bytes | pa.Table) -> tuple[str, int]:
        """Buffer rows for their tick (the next one, when that has run already); returns the entry's name and its tick."""
        tick = due_ms if due_ms > self.clock_ms else self.clock_ms + self.tick_ms
        entries = self.pending.setdefault(tick, [])
        name = f"{tick:015d}/{target}/{len(entries)}"
        entries.append((name, target, payload))
        return name, tick

    def next_wake_ms(self) -> int | None:
        """End of the next tick that has work: rows that wait, or a deadline of the stage."""
        deadline = self.state.next_deadline_ms()
        due = min(self.pending) if self.pending else None
        if deadline is not None:
            aligned = max(-(-deadline // self.tick_ms) * self.tick_ms, self.clock_ms + self.tick_ms)
            due = aligned if due is None else min(due, aligned)
        return due

    def advance(self, watermark_ms: int, on_tick_done: Callable[[int, list[str]], None]) -> Iterator[tuple[int, Output]]:
        """Run every tick that ends at or before `watermark_ms` + 1, in order; yields (tick, output).

        `on_tick_done(tick, names of the entries it consumed)` is called after each tick, before its outputs are yielded.
        """
        while (wake := self.next_wake_ms()) is not None and wake - 1 <= watermark_ms:
            entries = self.pending.pop(wake, [])
            inputs: dict[str, list[pa.Table]] = {}
            for _, target, payload in entries:
                inputs.setdefault(target, []).append(from_payload(payload) if isinstance(payload, bytes) else payload)
            self.state, outputs = self.stage.on_tick(self.state, inputs, wake)
            self.clock_ms = wake
            outputs = list(outputs)
            on_tick_done(wake, [name for name, _, _ in entries])
            for output in outputs:
                yield wake, output
