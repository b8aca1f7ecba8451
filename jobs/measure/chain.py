"""Windows of growing width over the same requests: counted in the finest, handed on to the coarser ones, emitted, amended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.measure.baseline import WARM_UP, BaselineColumns
from jobs.measure.emitted import Emitted
from jobs.measure.loan import LEAST_OWN, lend
from jobs.measure.metrics import (
    CATEGORY_RATIOS,
    ERROR_RATIO,
    ON_DEMAND,
    REQUEST_RATE,
    WindowMetrics,
    possible,
    spread_floor,
    window_metrics,
)
from jobs.measure.series import NEVER, SeriesPool
from jobs.measure.window import WindowCounts

__all__ = ["ALIVE_WINDOWS", "WindowChain", "WindowPoints", "series_keys"]

ALIVE_WINDOWS = 12
"""A series without requests is emitted as 0 for this many windows after its last request, then falls silent."""
_SEASONAL_FROM_S = 60
"""Narrower windows do not learn the time of day: a quarter of an hour of them fills the history anyway."""
Families = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]
"""From entity hashes to the numbers that siblings share, from near to far; see `EntityNames.families`."""
_NONE = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class WindowPoints:
    """Points of one window that are to go out now."""

    width_s: int
    start_us: int
    points: Emitted


class WindowChain:
    """All windows of one group of entity kinds.

    Partial windows are added to the finest width. When a window is first emitted, its sums join the next coarser one; what comes
    later goes to both. So every width holds all that arrived before it was emitted, and a tick touches few windows.
    """

    def __init__(self, name: str, widths_s: tuple[int, ...], wait_us: int, horizon_us: int, history: int, details: bool) -> None:
        self.name = name
        self.families: Families | None = None
        """Tells siblings, which lend to young series; None = nobody lends."""
        self.widths_s = widths_s
        self.pools = [SeriesPool(history, seasonal=details and width >= _SEASONAL_FROM_S) for width in widths_s]
        self.cursors: list[int | None] = [None] * len(widths_s)
        """Start of the next window to be emitted, per width; earlier ones can only be amended."""
        self.late_dropped = [0] * len(widths_s)
        """Requests that came after their window's late horizon, per width."""
        self.open: list[dict[int, WindowCounts]] = [{} for _ in widths_s]
        self.emitted: list[dict[int, Emitted]] = [{} for _ in widths_s]
        self._wait_us, self._horizon_us, self._history, self._details = wait_us, horizon_us, history, details
        self._amended: list[dict[int, list[NDArray[Any]]]] = [{} for _ in widths_s]
        self._dirty: set[tuple[str, int, int]] = set()

    def expire(self, now_us: int) -> None:
        """Forget windows that nothing can amend any more."""
        for i, width_s in enumerate(self.widths_s):
            for kind, windows in (("open", self.open[i]), ("emitted", self.emitted[i])):
                for start in [s for s in windows if s + width_s * 1_000_000 + self._horizon_us < now_us]:
                    del windows[start]
                    self._dirty.add((kind, i, start))

    def add(self, windows: Mapping[int, WindowCounts], now_us: int) -> None:
        """Add the tick's sums, by start of the finest window."""
        if not windows:
            return
        for i, width_s in enumerate(self.widths_s):
            if self.cursors[i] is None:
                width = width_s * 1_000_000
                self.cursors[i] = max(min(windows), now_us - self._horizon_us - width) // width * width
        for start in sorted(windows):
            self._add(0, start, windows[start], now_us)

    def _add(self, i: int, start: int, counts: WindowCounts, now_us: int) -> None:
        if i == len(self.widths_s):
            return
        width = self.widths_s[i] * 1_000_000
        start = start // width * width
        if start + width + self._horizon_us < now_us:
            self.late_dropped[i] += int(counts.counts[:, 0].sum())
            self._add(i + 1, start, counts, now_us)
            return
        held = self.open[i].get(start)
        self.open[i][start] = held.plus(counts) if held else counts
        self._dirty.add(("open", i, start))
        cursor = self.cursors[i]
        if cursor is not None and start < cursor:
            self._amended[i].setdefault(start, []).append(counts.entities)
            self._add(i + 1, start, counts, now_us)

    def amend(self) -> Iterator[WindowPoints]:
        """Points of windows emitted earlier that the tick changed, under their next revision."""
        for i, width_s in enumerate(self.widths_s):
            for start in sorted(self._amended[i]):
                entities = np.unique(np.concatenate(self._amended[i][start]))
                metrics = window_metrics(self.open[i][start].only(entities), width_s, self._details)
                points = self._amend(i, start, metrics)
                if len(points.keys):
                    yield WindowPoints(width_s, start, points)
            self._amended[i].clear()

    def emit(self, now_us: int, cut_off_us: int | None) -> Iterator[WindowPoints]:
        """Points of windows that are due for the first time.

        Parameters
        ----------
        cut_off_us : the clock at which the input ended; null while it goes on. Then no silence is reported, and a window that
            was cut short has no baseline to be judged by.
        """
        for i, width_s in enumerate(self.widths_s):  # finest first: a due window hands on before its parent is due
            width = width_s * 1_000_000
            limit = now_us - self._wait_us - width
            cursor = self.cursors[i]
            while cursor is not None and cursor <= limit:
                window = self.open[i].get(cursor)
                silent = self._silent(i, cursor, window) if cut_off_us is None else _NONE
                if window is None and not len(silent):
                    later = [start for start in self.open[i] if start > cursor]
                    cursor = min([*later, limit // width * width + width])
                    continue
                points = self._first(i, cursor, window, silent, cut_off_us is not None and cursor + width > cut_off_us)
                if len(points.keys):
                    yield WindowPoints(width_s, cursor, points)
                if window is not None:
                    self._add(i + 1, cursor, window, now_us)
                cursor += width
            self.cursors[i] = cursor

    def next_deadline_us(self, silence: bool) -> int | None:
        """When the next window is due: one that holds data, or (if `silence`) one in which a living series is missing."""
        deadlines = []
        for i, width_s in enumerate(self.widths_s):
            width, cursor = width_s * 1_000_000, self.cursors[i]
            if cursor is None:
                continue
            due = [start for start in self.open[i] if start >= cursor]
            if silence:
                rates = (self.pools[i]["key"] != 0) & (self.pools[i]["metric"] == REQUEST_RATE)
                if rates.any() and int(self.pools[i]["seen"][rates].max()) >= cursor - ALIVE_WINDOWS * width:
                    due.append(cursor)
            if due:
                deadlines.append(min(due) + width + self._wait_us)
        return min(deadlines, default=None)

    def _silent(self, i: int, start: int, window: WindowCounts | None) -> NDArray[Any]:
        """Entities that had requests lately but have none in this window.

        Clients come and go: theirs are reported only once there is a baseline to miss them by.
        """
        pool, width = self.pools[i], self.widths_s[i] * 1_000_000
        alive = (pool["key"] != 0) & (pool["metric"] == REQUEST_RATE) & (pool["seen"] >= start - ALIVE_WINDOWS * width)
        if not self._details:
            alive &= pool["count"] >= WARM_UP
        entities = np.unique(pool["entity"][alive])
        return entities if window is None else np.setdiff1d(entities, window.entities[window.counts[:, 0] > 0])

    def _first(self, i: int, start: int, window: WindowCounts | None, silent: NDArray[Any], cut_short: bool) -> Emitted:
        zeros = np.zeros(len(silent))
        points = WindowMetrics(silent, np.full(len(silent), REQUEST_RATE, np.int16), zeros, zeros)
        if window is not None:
            points = _join(window_metrics(window, self.widths_s[i], self._details), points)
        keys, points = _sorted(points)
        wanted = self._wanted(i, start, keys, points)
        keys, points = keys[wanted], points.rows(wanted)
        emitted = self._push(i, start, keys, points)
        if cut_short:
            unknown = np.full(len(keys), np.nan)
            emitted = replace(
                emitted, expected=unknown, spread=unknown, seasonal_expected=unknown, surprises=np.full((len(keys), 4), np.nan)
            )
        self.emitted[i][start] = emitted
        self._dirty.add(("emitted", i, start))
        return emitted

    def _amend(self, i: int, start: int, metrics: WindowMetrics) -> Emitted:
        pool = self.pools[i]
        keys, metrics = _sorted(metrics)
        before = self.emitted[i].get(start, _nothing())
        at = np.minimum(np.searchsorted(before.keys, keys), max(len(before.keys) - 1, 0))
        found = before.keys[at] == keys if len(before.keys) else np.zeros(len(keys), bool)
        # known points: same baseline, next revision
        old, new = at[found], metrics.rows(found)
        changed = (before.values[old] != new.values) | (before.weights[old] != new.weights)
        old, new, known_keys = old[changed], new.rows(changed), keys[found][changed]
        before.values[old], before.weights[old] = new.values, new.weights
        before.revision[old] += 1
        rows = pool.find(known_keys)
        held = rows >= 0
        held[held] = pool["born"][rows[held]] <= start  # else the series was forgotten and began anew
        seasonal, expected = before.seasonal_expected[old][held], before.expected[old][held]
        chance = spread_floor(new.metrics[held], expected, new.weights[held], self.widths_s[i])
        base = np.where(np.isnan(seasonal), expected, seasonal)
        before.surprises[old[held]] = pool.correct(rows[held], before.sequence[old][held], new.values[held], base, chance)
        other_than_0 = held & (new.values != 0)
        pool.mark_seen(rows[other_than_0], np.full(int(other_than_0.sum()), start))
        # points not emitted before: of a new metric or entity
        missing = ~found & ((metrics.values != 0) | ~np.isin(metrics.metrics, ON_DEMAND))
        added = self._push(i, start, keys[missing], metrics.rows(missing))
        self.emitted[i][start] = before.plus(added)
        self._dirty.add(("emitted", i, start))
        return before.rows(old).plus(added)

    def _push(self, i: int, start: int, keys: NDArray[Any], points: WindowMetrics) -> Emitted:
        """Points of a window to their series, sorted by key; those older than their series' newest get no baseline."""
        pool, width_s = self.pools[i], self.widths_s[i]
        times = np.full(len(keys), start)
        new = pool.find(keys) < 0
        rows = pool.find_or_add(keys, points.entities, points.metrics, times)
        # a category's first error: all earlier windows of the entity had none
        first = new & np.isin(points.metrics, CATEGORY_RATIOS)
        if first.any():
            total = pool.find(series_keys(points.entities[first], np.full(int(first.sum()), ERROR_RATIO)))
            judged = np.where(total >= 0, pool["count"][total], 0)
            this_window = (total >= 0) & (pool["newest"][total] == start)
            pool.assume_zeros(rows[first], judged - this_window)
        in_order = pool["newest"][rows] < start
        timely = points.rows(in_order)

        def chance(expected: NDArray[Any]) -> NDArray[Any]:
            return spread_floor(timely.metrics, possible(timely.metrics, expected), timely.weights, width_s)

        lent = self._lent(pool, rows[in_order])
        baseline = pool.push(rows[in_order], times[in_order], timely.values, chance, lent).at(in_order, len(keys))
        baseline = replace(
            baseline,
            expected=possible(points.metrics, baseline.expected),
            seasonal_expected=possible(points.metrics, baseline.seasonal_expected),
        )
        floor = spread_floor(points.metrics, baseline.expected, points.weights, width_s)
        baseline = replace(baseline, spread=np.maximum(baseline.spread, floor))
        seen = points.values != 0
        pool.mark_seen(rows[seen], times[seen])
        return Emitted.of(keys, points, baseline, np.where(in_order, pool["count"][rows] - 1, -1))

    def _lent(self, pool: SeriesPool, rows: NDArray[Any]) -> NDArray[Any] | None:
        count = pool["count"][rows]
        young = np.flatnonzero((count >= LEAST_OWN) & (count < WARM_UP))
        if self.families is None or not len(young):
            return None
        lent = np.full((len(rows), 2), np.nan)
        ratios = np.isin(pool["metric"], (ERROR_RATIO, *CATEGORY_RATIOS))
        lent[young] = lend(pool, rows[young], self.families(pool["entity"]), ratios)
        return lent

    def _wanted(self, i: int, start: int, keys: NDArray[Any], points: WindowMetrics) -> NDArray[Any]:
        """Rows that are worth a point: on-demand metrics only while they were other than 0 within their look-back."""
        rows = self.pools[i].find(keys)
        seen = np.where(rows >= 0, self.pools[i]["seen"][rows], NEVER) if len(self.pools[i]) else np.full(len(keys), NEVER)
        lately = seen >= start - self._history * self.widths_s[i] * 1_000_000
        wanted: NDArray[Any] = (points.values != 0) | lately | ~np.isin(points.metrics, ON_DEMAND)
        return wanted

    def changes(self) -> dict[str, bytes | None]:
        """Segments written or gone since the last call."""
        out: dict[str, bytes | None] = {}
        for kind, i, start in sorted(self._dirty):
            windows: Mapping[int, WindowCounts | Emitted] = self.open[i] if kind == "open" else self.emitted[i]
            held = windows.get(start)
            out[f"{self.name}/{kind}/{i}/{start}"] = held.to_bytes() if held is not None else None
        self._dirty.clear()
        for i, pool in enumerate(self.pools):
            out |= pool.changes(f"{self.name}/series/{i}")
        return out

    def restore(self, segments: Mapping[str, bytes]) -> None:
        """Fill a fresh chain with what `changes` gave."""
        for name, blob in segments.items():
            parts = name.split("/")
            if parts[0] == self.name and parts[1] == "open":
                self.open[int(parts[2])][int(parts[3])] = WindowCounts.from_bytes(blob)
            elif parts[0] == self.name and parts[1] == "emitted":
                self.emitted[int(parts[2])][int(parts[3])] = Emitted.from_bytes(blob)
        for i, pool in enumerate(self.pools):
            pool.restore(f"{self.name}/series/{i}", segments)


def series_keys(entities: NDArray[Any], metrics: NDArray[Any]) -> NDArray[Any]:
    """64-bit key of an entity's metric, uint64[n], never 0. Collisions: about 1 in 10^9 for 200,000 series."""
    with np.errstate(over="ignore"):
        mixed = (entities ^ ((metrics.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(32)
    keys: NDArray[Any] = np.maximum(mixed, np.uint64(1))
    return keys


def _sorted(points: WindowMetrics) -> tuple[NDArray[Any], WindowMetrics]:
    keys = series_keys(points.entities, points.metrics)
    order = np.argsort(keys)
    return keys[order], points.rows(order)


def _join(one: WindowMetrics, other: WindowMetrics) -> WindowMetrics:
    return WindowMetrics(*(np.concatenate([a, b]) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)))


def _nothing() -> Emitted:
    empty = np.zeros(0)
    points = WindowMetrics(np.zeros(0, np.uint64), np.zeros(0, np.int16), empty, empty)
    return Emitted.of(np.zeros(0, np.uint64), points, BaselineColumns.unknown(0), np.zeros(0, np.int64))
