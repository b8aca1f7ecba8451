"""Lines of several sources, normalised, as ticks of one arrival clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.operators.ticks import tick_end_ms
from jobs.replay.files import Line, Source
from schemas.event import RAW
from udfs.normalise import NormaliseSettings, normalise

__all__ = ["TARGETS", "ticks_of"]

TARGETS = ("events", "metric_points", "dead_letters", "changes")
_LINES = 20_000
_BYTES = 64 << 20


@dataclass
class _Cursor:
    """What of one source is read but not yet due. Arrivals within a source never go back."""

    chunks: Iterator[dict[str, pa.Table]]
    waiting: dict[str, list[pa.Table]] = field(default_factory=lambda: {target: [] for target in TARGETS})
    first_ms: int | None = None
    last_ms: int | None = None
    done: bool = False

    def fill(self, upto_ms: int) -> None:
        """Read until everything before `upto_ms` is here."""
        while not self.done and (self.last_ms is None or self.last_ms < upto_ms):
            chunk = next(self.chunks, None)
            if chunk is None:
                self.done = True
                return
            for target, table in chunk.items():
                if table.num_rows:
                    self.waiting[target].append(table)
                    bounds = pc.min_max(table.column("arrived_at").cast(pa.int64())).as_py()
                    self.first_ms = bounds["min"] if self.first_ms is None else min(self.first_ms, bounds["min"])
                    self.last_ms = bounds["max"] if self.last_ms is None else max(self.last_ms, bounds["max"])

    def take(self, end_ms: int) -> Iterator[tuple[str, pa.Table]]:
        """Rows that arrive before `end_ms`."""
        firsts = []
        for target, tables in self.waiting.items():
            kept = []
            for table in tables:
                arrivals = table.column("arrived_at").cast(pa.int64()).to_numpy()
                due = int(np.searchsorted(arrivals, end_ms))
                if due:
                    yield target, table.slice(0, due)
                if due < table.num_rows:
                    kept.append(table.slice(due))
                    firsts.append(int(arrivals[due]))
            self.waiting[target] = kept
        self.first_ms = min(firsts, default=None)


def ticks_of(
    sources: list[Source], settings: NormaliseSettings, tick_ms: int, on_lines: Callable[[int, int], None]
) -> Iterator[tuple[int, dict[str, list[pa.Table]]]]:
    """(end of tick, rows by target), in order, for every tick in which something arrives.

    `on_lines(lines, bytes on disk)` is called as files are read. Holds one chunk of each source in memory.
    """
    cursors = [_Cursor(_chunks(source, settings, on_lines)) for source in sources]
    for cursor in cursors:
        while cursor.first_ms is None and not cursor.done:
            cursor.fill(0)
    while True:
        for cursor in cursors:
            while cursor.first_ms is None and not cursor.done:
                cursor.fill((cursor.last_ms or 0) + 1)
        due = min((c.first_ms for c in cursors if c.first_ms is not None), default=None)
        if due is None:
            return
        end = tick_end_ms(due, tick_ms)
        rows: dict[str, list[pa.Table]] = {target: [] for target in TARGETS}
        for cursor in cursors:
            cursor.fill(end)
            for target, table in cursor.take(end):
                rows[target].append(table)
        yield end, rows


def _chunks(source: Source, settings: NormaliseSettings, on_lines: Callable[[int, int], None]) -> Iterator[dict[str, pa.Table]]:
    lines = source.lines()
    clock_ms = 0
    while chunk := _next_chunk(lines):
        on_lines(len(chunk), sum(line.read_bytes for line in chunk))
        out = normalise(_raw(chunk), settings)
        tables = dict(zip(TARGETS, (out.events, out.metric_points, out.dead_letters, out.changes), strict=True))
        if source.schedule is None:
            tables, clock_ms = _own_arrivals(tables, len(chunk), chunk[0].offset, clock_ms)
        yield {target: table.sort_by([("arrived_at", "ascending")]) for target, table in tables.items()}


def _next_chunk(lines: Iterator[Line]) -> list[Line]:
    chunk: list[Line] = []
    size = 0
    for line in islice(lines, _LINES):
        chunk.append(line)
        size += len(line.value)
        if size > _BYTES:
            break
    return chunk


def _raw(chunk: list[Line]) -> pa.Table:
    return pa.table(
        [
            pa.array([line.value for line in chunk], pa.binary()),
            pa.array([line.topic for line in chunk], pa.string()),
            pa.array(np.zeros(len(chunk), np.int32)),
            pa.array([line.offset for line in chunk], pa.int64()),
            pa.array([line.arrival_ms or 0 for line in chunk], pa.int64()),
        ],
        schema=RAW.arrow,
    )


def _own_arrivals(tables: dict[str, pa.Table], lines: int, first: int, clock_ms: int) -> tuple[dict[str, pa.Table], int]:
    """Without a schedule a line arrives at its own time, but never before a line above it; what has no time comes with the line above."""
    own_ms = np.full(lines, np.iinfo(np.int64).min)
    for target, column in (("events", "timestamp"), ("metric_points", "time"), ("changes", "time")):
        table = tables[target]
        times = table.column(column).cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64()).to_numpy()
        np.maximum.at(own_ms, table.column("offset").to_numpy() - first, times)
    clock = np.maximum(np.maximum.accumulate(own_ms), clock_ms)
    result = {}
    for target, table in tables.items():
        arrivals = pa.array(clock[table.column("offset").to_numpy() - first]).cast(pa.timestamp("ms", "UTC"))
        result[target] = table.set_column(table.schema.get_field_index("arrived_at"), table.schema.field("arrived_at"), arrivals)
    return result, int(clock[-1])
