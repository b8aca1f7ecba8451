"""A seeded world of services whose log lines come out in the order in which they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.generate.columns import hex_matrix, matrix_column
from jobs.generate.damage import damage_lines
from jobs.generate.faults import Fault
from jobs.generate.render import render_rows
from jobs.generate.rows import Rows
from jobs.generate.topology import ENVIRONMENTS, MAX_EVENTS, Topology
from jobs.generate.traffic import FORMATS, Requests, make_requests
from jobs.generate.truth import TRANSACTION_TRUTH, Truth

__all__ = ["Chunk", "World", "WorldSettings"]

_BLOCK_REQUESTS = 4_096
"""Requests made at a time. A part of what the seed means: another value gives other lines."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WorldSettings:
    """What kind of world. Together with the seed it says every byte."""

    start_ms: int = 1_767_225_600_000
    """Epoch ms of its start."""
    lines_per_s: float = 10_000.0
    """Lines per second of event time, about."""
    duration_s: float | None = None
    """No request starts later than this; None = as long as lines are asked for."""
    faults: tuple[Fault, ...] = ()
    late: float = 0.005
    """Share of lines that arrive 2..30 s later than they should."""
    duplicates: float = 0.005
    """Share of lines that are sent again, same bytes."""
    malformed: float = 0.001
    """Share of unreadable lines."""
    mix: float = 0.0
    """Share of requests logged as OTLP, nginx or ALB instead of JSON."""
    daily: bool = False
    """Traffic follows the hours of the day."""


@dataclass(frozen=True)
class Chunk:
    """Lines in order of arrival."""

    lines: pa.Array
    """binary[n], without line ends."""
    arrival_ms: Ints
    """When each line is due, ms after the world's start; ascending."""
    formats: npt.NDArray[np.uint8]
    """Index in `FORMATS`; unreadable lines count as the format they stand among."""

    def __len__(self) -> int:
        return len(self.lines)

    def messages(self, lines_per_message: int) -> pa.Array:
        """Kafka messages: single lines, or up to so many lines of one format joined by line ends."""
        if lines_per_message <= 1:
            return self.lines
        parts = []
        for code in range(len(FORMATS)):
            lines = self.lines.filter(pa.array(self.formats == code))
            if len(lines):
                edges = np.append(np.arange(0, len(lines), lines_per_message), len(lines)).astype(np.int32)
                parts.append(pc.binary_join(pa.ListArray.from_arrays(pa.array(edges), lines), pa.scalar(b"\n", pa.binary())))
        return pa.concat_arrays(parts) if parts else self.lines

    def take(self, start: int, stop: int) -> Chunk:
        """Lines from `start` up to `stop`, not copied."""
        return Chunk(self.lines[start:stop], self.arrival_ms[start:stop], self.formats[start:stop])


class World:
    """A world; the same seed and settings give the same lines, however they are cut into chunks.

    Examples
    --------
    >>> world = World(7, WorldSettings(malformed=0.0))
    >>> [len(chunk) for chunk in world.chunks(2500, 1000)]
    [1000, 1000, 500]
    >>> world.truth.lines_sent
    2500
    """

    def __init__(self, seed: int = 0, settings: WorldSettings | None = None, *, keep_transactions: bool = False) -> None:
        self.seed = seed
        self.settings = settings or WorldSettings()
        self.topology = Topology()
        self._keep = keep_transactions
        self.truth = self._new_truth()
        self._blank = pa.array([], pa.binary())

    def _new_truth(self) -> Truth:
        return Truth(self.seed, self.settings.start_ms, self.settings.faults, self._keep)

    @property
    def lines_per_request(self) -> float:
        """Mean lines of a request, about: refused requests have fewer hops, repeats and rubbish add lines."""
        return self.topology.mean_events * 0.975 * (1 + self.settings.duplicates + self.settings.malformed)

    def chunks(self, total_lines: int | None = None, chunk_lines: int = 10_000) -> Iterator[Chunk]:
        """Yield the lines from the start, `chunk_lines` at a time, `total_lines` in all; then `truth` is complete.

        Where neither `total_lines` nor the settings' duration ends it, it does not end.
        Cost: about 2.5 microseconds per line; memory for 30 s of late lines.
        """
        self.truth = self._new_truth()
        waiting: list[Chunk] = []
        size = 0
        for part in self._in_order(total_lines):
            waiting.append(part)
            size += len(part)
            if size >= chunk_lines:
                whole = _concat(waiting)
                cut = size - size % chunk_lines
                for at in range(0, cut, chunk_lines):
                    yield whole.take(at, at + chunk_lines)
                waiting, size = [whole.take(cut, size)], size - cut
        if size:
            yield _concat(waiting)

    def _in_order(self, total_lines: int | None) -> Iterator[Chunk]:
        """Merge the blocks: a line is ripe when no later block can have an earlier one."""
        pool = Chunk(self._blank, np.zeros(0, np.int64), np.zeros(0, np.uint8))
        for next_start_ms, block in self._blocks(total_lines):
            pool = _concat([pool, block])
            order = np.argsort(pool.arrival_ms, kind="stable")
            ripe = int(np.searchsorted(pool.arrival_ms[order], next_start_ms))
            ready, rest = order[:ripe], np.sort(order[ripe:])
            if ripe:
                yield _pick(pool, ready)
            pool = _pick(pool, rest)
        if len(pool):
            yield _pick(pool, np.argsort(pool.arrival_ms, kind="stable"))

    def _blocks(self, total_lines: int | None) -> Iterator[tuple[int, Chunk]]:
        """(start of the next block in ms, lines of this one) until enough lines are made."""
        settings = self.settings
        requests_per_s = settings.lines_per_s / self.lines_per_request
        block_s = _BLOCK_REQUESTS / requests_per_s
        number = 0
        while total_lines is None or self.truth.lines_sent < total_lines:
            from_s, to_s = number * block_s, (number + 1) * block_s
            if settings.duration_s is not None:
                if from_s >= settings.duration_s:
                    return
                to_s = min(to_s, settings.duration_s)
            rng = np.random.Generator(np.random.SFC64([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, number]))
            requests = make_requests(
                rng,
                self.topology,
                world_start_us=settings.start_ms * 1000,
                from_s=from_s,
                to_s=to_s,
                requests_per_s=requests_per_s,
                faults=settings.faults,
                daily=settings.daily,
                mix=settings.mix,
            )
            left = None if total_lines is None else total_lines - self.truth.lines_sent
            yield int(to_s * 1000), self._block(rng, requests, left)
            number += 1

    def _block(self, rng: np.random.Generator, requests: Requests, limit: int | None) -> Chunk:
        """Lines of some requests: events, repeats and rubbish; the first `limit` of them, so that totals are exact."""
        settings = self.settings
        rows = Rows.of(requests, self.topology, rng)
        n = len(rows)
        formats = requests.format[rows.request]
        is_late = rng.random(n) < settings.late
        has_identity = formats < FORMATS.index("nginx")  # a repeat of a line without IDs is another event
        copies = (rng.random(n) < settings.duplicates) & has_identity
        rubbish = rng.random(n) < settings.malformed
        arrival_us = rows.start_us + rows.duration_us - settings.start_ms * 1000
        arrival_us = arrival_us + (rng.exponential(40_000, n) + is_late * rng.uniform(2e6, 30e6, n)).astype(np.int64)
        copy_us = arrival_us + rng.lognormal(np.log(4e5), 1.5, n).astype(np.int64)

        source = np.repeat(np.arange(n), 1 + copies + rubbish)
        position = np.arange(len(source)) - (np.cumsum(1 + copies + rubbish) - (1 + copies + rubbish))[source]
        is_copy = (position == 1) & copies[source]
        is_rubbish = (position > 0) & ~is_copy
        source, is_copy, is_rubbish = (column[:limit] for column in (source, is_copy, is_rubbish))

        good = render_rows(rows, requests, self.topology)
        bad = damage_lines(good.take(pa.array(source[is_rubbish])), rng)
        index = source.copy()
        index[is_rubbish] = n + np.arange(len(bad))
        lines = pa.concat_arrays([good, bad]).take(pa.array(index))
        due_us = np.where(is_copy, copy_us[source], arrival_us[source])
        self._count(requests, rows, lines, source, is_copy, is_rubbish, is_late, formats)
        return Chunk(lines, due_us // 1000, formats[source].astype(np.uint8))

    def _count(
        self,
        requests: Requests,
        rows: Rows,
        lines: pa.Array,
        source: Ints,
        is_copy: npt.NDArray[np.bool_],
        is_rubbish: npt.NDArray[np.bool_],
        is_late: npt.NDArray[np.bool_],
        formats: Ints,
    ) -> None:
        truth = self.truth
        event = source[~is_copy & ~is_rubbish]
        truth.lines_sent += len(source)
        truth.malformed_lines += int(is_rubbish.sum())
        truth.duplicate_lines += int(is_copy.sum())
        truth.late_lines += int(is_late[event].sum())
        truth.bytes_sent += int(pc.sum(pc.binary_length(lines)).as_py() or 0)
        for code, count in enumerate(np.bincount(formats[source[~is_rubbish]], minlength=len(FORMATS))):
            if count:
                truth.format_lines[FORMATS[code]] = truth.format_lines.get(FORMATS[code], 0) + int(count)
        events = np.bincount(rows.request[event], minlength=len(requests.route))
        truth.histogram += np.bincount(events[events > 0], minlength=MAX_EVENTS + 1)
        if len(event):
            truth.end_ms = int(requests.start_us[rows.request[event[-1]]] // 1000)
        if truth.keep_transactions:
            truth.parts.append(self._transactions(requests, rows, event, events))

    def _transactions(self, requests: Requests, rows: Rows, event: Ints, events: Ints) -> pa.Table:
        """Rows of `TRANSACTION_TRUTH` for the requests with events."""
        sent = rows.take(event)
        first = np.flatnonzero(sent.hop == 0)
        request = sent.request[first]
        formats, n = requests.format[request], len(first)
        services = self._services(requests.route[request], events[request])
        hop_ids = sent.hop_id[first]
        proxied = formats >= FORMATS.index("nginx")
        columns = {
            "request_id": _text(hex_matrix(requests.ids[request, 0]), n, formats != 0),
            "trace_id": _text(hex_matrix(requests.ids[request, 1:]), n, formats == FORMATS.index("nginx")),
            "format": pa.array(FORMATS).take(pa.array(formats)),
            "environment": pa.array([name for name, _, _ in ENVIRONMENTS]).take(pa.array(requests.environment[request])),
            "event_count": events[request].astype(np.int32),
            "root_span_id": _text(hex_matrix(sent.span[first]), n, proxied),
            "root_service": pa.array([hop.service for hop in self.topology.hops]).take(pa.array(hop_ids)),
            "root_route": pa.array([f"{hop.method} {hop.template}" for hop in self.topology.hops]).take(pa.array(hop_ids)),
            "http_response_status_code": sent.status[first].astype(np.int32),
            "services": services,
            "started_at": pa.array(requests.start_us[request], pa.timestamp("us", tz="UTC")),
        }
        return pa.table(columns, schema=TRANSACTION_TRUTH)

    def _services(self, route: Ints, count: Ints) -> pa.Array:
        """Distinct services of the first `count` hops; depth first is also the order of their starts."""
        tables = [
            list(dict.fromkeys(hop.service for hop in path.hops[:hops])) for path in self.topology.routes for hops in range(MAX_EVENTS + 1)
        ]
        return pa.array(tables, pa.list_(pa.string())).take(pa.array(route * (MAX_EVENTS + 1) + count))


def _text(digits: npt.NDArray[np.uint8], rows: int, absent: npt.NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(absent), "", matrix_column([digits], rows).cast(pa.string()))


def _concat(chunks: Sequence[Chunk]) -> Chunk:
    return Chunk(
        pa.concat_arrays([chunk.lines for chunk in chunks]),
        np.concatenate([chunk.arrival_ms for chunk in chunks]),
        np.concatenate([chunk.formats for chunk in chunks]),
    )


def _pick(chunk: Chunk, rows: Ints) -> Chunk:
    return Chunk(chunk.lines.take(pa.array(rows)), chunk.arrival_ms[rows], chunk.formats[rows])
