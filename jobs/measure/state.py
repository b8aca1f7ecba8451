"""State of the measure stage of one key partition."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from jobs.knobs import Knobs
from jobs.measure.chain import WindowChain
from jobs.measure.cumulative import CumulativeSeries
from jobs.measure.entities import EntityNames
from jobs.measure.series import SeriesPool

__all__ = ["MeasureState"]

_META = "meta"
_POINTS = "points/series"
_CUMULATIVE = "points/cumulative"


class MeasureState:
    """Open and amendable windows, the past of all series, names of entities, and counters of what was left out."""

    def __init__(self, knobs: Knobs) -> None:
        wait, horizon, history = knobs.measure_wait * 1000, knobs.measure_late_horizon * 1000, knobs.measure_history
        self.knobs = knobs
        self.windows = WindowChain("windows", knobs.measure_widths, wait, horizon, history, details=True)
        """Environments, services and routes."""
        self.clients = WindowChain("clients", knobs.measure_client_widths, wait, horizon, history, details=False)
        self.ready_made = SeriesPool(history, seasonal=True)
        """Series of ready-made metric points."""
        self.cumulative = CumulativeSeries(knobs.measure_max_series)
        """Newest counters of cumulative metrics."""
        self.names = EntityNames()
        for chain in self.chains:
            chain.families = lambda hashes: self.names.families(hashes)
        self.future_dropped = 0
        """Requests dated further ahead of the broker clock than the late horizon: a broken clock, not counted in any window."""
        self.routes_folded = 0
        """Requests of routes beyond `measure.max_routes`, counted as their service's route `other`."""
        self.repeated_dropped = 0
        """Exact repeats of ready-made points."""
        self.now_ms = 0
        self.ended_at_ms: int | None = None
        self._meta = b""

    @property
    def chains(self) -> tuple[WindowChain, WindowChain]:
        """Both groups of windows."""
        return self.windows, self.clients

    @property
    def late_dropped(self) -> int:
        """Requests too late for the finest window of their entity kind (coarser ones may still have counted them).

        Each is counted once per entity it belongs to.
        """
        return self.windows.late_dropped[0] + self.clients.late_dropped[0]

    def finish(self) -> None:
        """Say that the input has ended: from now on missing requests are no silence, and cut windows are not judged.

        What was on its way may still come; requests after the late horizon mean that the input goes on.
        """
        self.ended_at_ms = self.now_ms

    def resume(self, now_ms: int) -> None:
        """Say that requests came at this time."""
        if self.ended_at_ms is not None and now_ms > self.ended_at_ms + self.knobs.measure_late_horizon:
            self.ended_at_ms = None

    def next_deadline_ms(self) -> int | None:
        """When the next window is due."""
        deadlines = [chain.next_deadline_us(silence=self.ended_at_ms is None) for chain in self.chains]
        return min((-(-deadline // 1000) for deadline in deadlines if deadline is not None), default=None)

    def pools(self) -> Iterator[tuple[int, SeriesPool]]:
        """All pools with their width in us."""
        for chain in self.chains:
            yield from ((width_s * 1_000_000, pool) for width_s, pool in zip(chain.widths_s, chain.pools, strict=True))
        yield 0, self.ready_made

    def bound(self) -> None:
        """Forget the longest unseen series (and names nobody needs) above the knob measure_max_series."""
        pools = list(self.pools())
        total, limit = sum(len(pool) for _, pool in pools), self.knobs.measure_max_series
        if total <= limit:
            return
        # some room at once, so that this does not happen at every tick
        excess = total - limit * 19 // 20
        used = [np.flatnonzero(pool["key"]) for _, pool in pools]
        ends = np.concatenate([pool["newest"][rows] + width for (width, pool), rows in zip(pools, used, strict=True)])
        keys = np.concatenate([pool["key"][rows] for (_, pool), rows in zip(pools, used, strict=True)])
        owner = np.repeat(np.arange(len(pools)), [len(rows) for rows in used])
        oldest = np.lexsort((owner, keys, ends))[:excess]
        for i, (_, pool) in enumerate(pools):
            pool.remove(keys[oldest][owner[oldest] == i])
        needed = [pool["entity"][np.flatnonzero(pool["key"])] for _, pool in pools[:-1]]
        needed += [counts.entities for chain in self.chains for windows in chain.open for counts in windows.values()]
        self.names.keep(np.unique(np.concatenate(needed)))

    def changes(self) -> dict[str, bytes | None]:
        """Segments written or gone since the last call."""
        out: dict[str, bytes | None] = {}
        for chain in self.chains:
            out |= chain.changes()
        out |= self.ready_made.changes(_POINTS)
        out |= self.cumulative.changes(_CUMULATIVE)
        out |= self.names.changes()
        meta = json.dumps(
            {
                "version": 1,
                "widths": [list(chain.widths_s) for chain in self.chains],
                "history": self.knobs.measure_history,
                "cursors": [chain.cursors for chain in self.chains],
                "late_dropped": [chain.late_dropped for chain in self.chains],
                "future_dropped": self.future_dropped,
                "repeated_dropped": self.repeated_dropped,
                "routes_folded": self.routes_folded,
                "now_ms": self.now_ms,
                "ended_at_ms": self.ended_at_ms,
            }
        ).encode()
        if meta != self._meta:
            out[_META] = self._meta = meta
        return out

    @classmethod
    def load(cls, segments: Mapping[str, bytes], knobs: Knobs) -> MeasureState:
        """State as it was when `changes` was last called; {} = fresh.

        State of other widths or another history is of no use and begins afresh: windows that were open are lost.
        """
        state = cls(knobs)
        if _META not in segments:
            return state
        meta = json.loads(segments[_META])
        if meta["widths"] != [list(chain.widths_s) for chain in state.chains] or meta["history"] != knobs.measure_history:
            return state
        for chain, cursors, dropped in zip(state.chains, meta["cursors"], meta["late_dropped"], strict=True):
            chain.cursors, chain.late_dropped = cursors, dropped
            chain.restore(segments)
        state.ready_made.restore(_POINTS, segments)
        state.cumulative.restore(_CUMULATIVE, segments)
        state.names = EntityNames.restore(segments)
        state.future_dropped, state.repeated_dropped = meta["future_dropped"], meta["repeated_dropped"]
        state.routes_folded = meta.get("routes_folded", 0)
        state.now_ms, state.ended_at_ms, state._meta = meta["now_ms"], meta["ended_at_ms"], segments[_META]
        return state
