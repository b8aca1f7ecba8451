"""The past of many series: one row of arrays each, from which baselines are made and into which points go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.measure.baseline import BLOCK, BLOCKS, LARGEST, BaselineColumns, expected_values, long_medians, middle, spreads
from jobs.measure.detectors import DETECTORS
from jobs.measure.judgement import empty_memory, judge, rejudge
from jobs.measure.loan import borrow
from jobs.measure.seasonality import SLOT_US, SLOTS, between, fold
from jobs.measure.segment import pack, unpack

__all__ = ["CHUNK", "NEVER", "SeriesPool"]

CHUNK = 128
"""Rows per segment: a tick rewrites the chunks that hold a series it touched."""
NEVER = -(1 << 62)
"""A time before all times."""


class SeriesPool:
    """Rows of series, looked up by a 64-bit key (0 = the row is free).

    Fields are arrays over rows. About 1.5 kB per series, 1.9 kB with the time of day.
    """

    def __init__(self, history: int, seasonal: bool) -> None:
        self.history = history
        self.seasonal = seasonal
        self._fields = _empty(0, history, seasonal)
        self._keys = np.zeros(0, np.uint64)
        self._rows = np.zeros(0, np.int64)
        self._dirty: set[int] = set()
        self._dirty_profiles: set[int] = set()
        self._stored: set[str] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, field: str) -> NDArray[Any]:
        """The array of one field over all rows, free ones too (key 0)."""
        return self._fields[field]

    def find(self, keys: NDArray[Any]) -> NDArray[Any]:
        """Rows of the keys, int64[n]; -1 = not there."""
        if not len(self._keys):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._rows[at], -1)

    def find_or_add(self, keys: NDArray[Any], entities: NDArray[Any], metrics: NDArray[Any], times_us: NDArray[Any]) -> NDArray[Any]:
        """Rows of the (distinct) keys; those not there are added, lowest free row first, in order of their keys."""
        rows = self.find(keys)
        new = np.flatnonzero(rows < 0)
        if len(new):
            new = new[np.argsort(keys[new])]
            added = self._free_rows(len(new))
            rows[new] = added
            for name, blank in _empty(1, self.history, self.seasonal).items():
                self._fields[name][added] = blank[0]
            self._fields["key"][added] = keys[new]
            self._fields["entity"][added] = entities[new]
            self._fields["metric"][added] = metrics[new]
            self._fields["born"][added] = times_us[new]
            self._index()
            self._touch(added, profiles=True)
        return rows

    def assume_zeros(self, rows: NDArray[Any], counts: NDArray[Any]) -> None:
        """Say of new series that `counts` points before their first were 0."""
        known = np.minimum(counts, self.history)
        self._fields["count"][rows] = known
        self._fields["latest"][rows] = np.where(known > 0, 0.0, np.nan)
        self._fields["values"][rows] = np.where(np.arange(self.history) < known[:, None], 0.0, np.nan)

    def push(
        self,
        rows: NDArray[Any],
        times_us: NDArray[Any],
        values: NDArray[Any],
        floor: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
        lent: NDArray[Any] | None = None,
    ) -> BaselineColumns:
        """Baselines of one new point of each of these (distinct) series, which then becomes part of their past.

        Parameters
        ----------
        rows : int64[n]
        times_us : int64[n]
        values : float64[n]; one that is not finite (or beyond LARGEST) has no baseline and leaves no trace
        floor : from what is expected to the standard deviation that chance alone gives; all of n points, or NaN; None = 0
        lent : float64[n, 2], what siblings lend to series that are too young to judge themselves, see `peers.lend`; None = nothing

        Cost: about 7 us per point.
        """
        usable = np.abs(values) < LARGEST
        if not usable.all():
            within = None if floor is None else lambda expected: floor(_placed(expected, usable))[usable]
            loan = None if lent is None else lent[usable]
            return self.push(rows[usable], times_us[usable], values[usable], within, loan).at(usable, len(values))
        f = self._fields
        now = self._season(rows, times_us, values)
        history = f["values"][rows]
        seasons = f["seasons"][rows].astype(np.float64) if self.seasonal else np.full(history.shape, np.nan)
        expected, count = expected_values(history, seasons, now)
        spread = spreads(history, seasons, now, expected, long_medians(f["medians"][rows].astype(np.float64)))
        if lent is not None:
            borrow(lent, history, expected, spread, count)
        previous = f["latest"][rows]
        slot = f["count"][rows] % self.history
        f["values"][rows, slot] = values
        if self.seasonal:
            f["seasons"][rows, slot] = now
        f["count"][rows] += 1
        f["latest"][rows] = values
        f["newest"][rows] = times_us
        self._remember_distance(rows, np.abs(values - expected))
        chance = np.zeros(len(rows)) if floor is None else floor(expected)
        surprises = judge(f, rows, values, np.where(np.isnan(now), expected, now), spread, chance)
        self._touch(rows)
        return BaselineColumns(expected, spread, now, count.astype(np.int32), previous, *surprises.T)

    def correct(
        self, rows: NDArray[Any], sequences: NDArray[Any], values: NDArray[Any], base: NDArray[Any], floor: NDArray[Any]
    ) -> NDArray[Any]:
        """Replace the values of points already pushed, the `sequences`-th of their series, where they are still remembered.

        Returns
        -------
        float64[n, 4] : their surprises as judged again, see `judgement.rejudge`; NaN where they are not remembered, or have no base
        """
        f = self._fields
        count = f["count"][rows]
        out = np.full((len(rows), len(DETECTORS)), np.nan)
        held = np.flatnonzero((sequences >= 0) & (sequences < count) & (sequences >= count - self.history) & (np.abs(values) < LARGEST))
        rows, sequences, values, base, floor = rows[held], sequences[held], values[held], base[held], floor[held]
        old = f["values"][rows, sequences % self.history]
        f["values"][rows, sequences % self.history] = values
        age = f["count"][rows] - 1 - sequences
        last = age == 0
        f["latest"][rows[last]] = values[last]
        judged = np.flatnonzero(~np.isnan(base) & (f["judged"][rows] > age))
        if len(judged):
            chance = np.where(np.isnan(floor[judged]), 0.0, floor[judged])
            out[held[judged]] = rejudge(f, rows[judged], old[judged], values[judged], base[judged], chance, age[judged].astype(np.float64))
        self._touch(rows)
        return out

    def mark_seen(self, rows: NDArray[Any], times_us: NDArray[Any]) -> None:
        """Note that something other than 0 was measured at these times."""
        self._fields["seen"][rows] = np.maximum(self._fields["seen"][rows], times_us)
        self._touch(rows)

    def set_revisions(self, rows: NDArray[Any], revisions: NDArray[Any]) -> None:
        """Note the revision of the newest point of each series."""
        self._fields["revision"][rows] = revisions
        self._touch(rows)

    def remove(self, keys: NDArray[Any]) -> None:
        """Forget series."""
        rows = self.find(keys)
        rows = rows[rows >= 0]
        self._fields["key"][rows] = 0
        self._index()
        self._touch(rows, profiles=True)

    def changes(self, prefix: str) -> dict[str, bytes | None]:
        """Chunks touched since the last call, by segment name `<prefix>/<chunk>`; None = nothing is left in it."""
        out: dict[str, bytes | None] = {}
        profile = [name for name in self._fields if name in _PROFILE]
        plain = [name for name in self._fields if name not in _PROFILE]
        for name, chunks, fields in ((prefix, self._dirty, plain), (f"{prefix}.profile", self._dirty_profiles, profile)):
            for chunk in sorted(chunks) if fields else ():
                rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
                used = np.flatnonzero(self._fields["key"][rows]) + chunk * CHUNK
                blob = pack({"row": used, **{field: self._fields[field][used] for field in fields}}) if len(used) else None
                segment = f"{name}/{chunk}"
                if blob is not None or segment in self._stored:
                    out[segment] = blob
                (self._stored.discard if blob is None else self._stored.add)(segment)
            chunks.clear()
        return out

    def restore(self, prefix: str, segments: Mapping[str, bytes]) -> None:
        """Fill a fresh pool with what `changes` gave."""
        for name, blob in segments.items():
            if name.startswith((f"{prefix}/", f"{prefix}.profile/")):
                arrays = unpack(blob)
                rows = arrays.pop("row")
                self._grow(int(rows.max()) + 1)
                for field, values in arrays.items():
                    self._fields[field][rows] = values
                self._stored.add(name)
        self._index()

    def _season(self, rows: NDArray[Any], times_us: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """The profile at these times; the values join the mean of their half hour."""
        if not self.seasonal:
            return np.full(len(rows), np.nan)
        f = self._fields
        slot_now = times_us // SLOT_US
        over = rows[(f["slot"][rows] != slot_now) & (f["slot_count"][rows] > 0)]
        if len(over):
            slot = f["slot"][over] % SLOTS
            mean = f["slot_sum"][over] / f["slot_count"][over]
            new = np.isnan(f["level"][over, slot])
            f["level"][over[new], slot[new]] = mean[new]
            again, slot, mean = over[~new], slot[~new], mean[~new]
            level = f["level"][again, slot].astype(np.float64)
            f["level"][again, slot], f["change"][again] = fold(level, f["change"][again], f["visits"][again], mean, np.maximum, np.minimum)
            f["visits"][again] += 1.0
            f["slot_sum"][over] = 0.0
            f["slot_count"][over] = 0
            self._touch(over, profiles=True)
        f["slot"][rows] = slot_now
        f["slot_sum"][rows] += values
        f["slot_count"][rows] += 1
        levels = (f["level"][rows, (slot_now + beside) % SLOTS].astype(np.float64) for beside in (0, -1, 1))
        return between(times_us, *levels)

    def _remember_distance(self, rows: NDArray[Any], distance: NDArray[Any]) -> None:
        """Distances from what was expected go into blocks, the medians of whole blocks into the long memory."""
        f = self._fields
        known = ~np.isnan(distance)
        rows, distance = rows[known], distance[known]
        at = f["distances"][rows]
        f["block"][rows, at % BLOCK] = distance
        f["distances"][rows] += 1
        whole = rows[f["distances"][rows] % BLOCK == 0]
        if len(whole):
            entry = (f["distances"][whole] // BLOCK - 1) % BLOCKS
            f["medians"][whole, entry] = middle(f["block"][whole].astype(np.float64))

    def _free_rows(self, wanted: int) -> NDArray[Any]:
        capacity = len(self._fields["key"])
        free = np.flatnonzero(self._fields["key"] == 0)[:wanted]
        if len(free) < wanted:
            self._grow(max(capacity + wanted - len(free), capacity * 3 // 2))
            free = np.flatnonzero(self._fields["key"] == 0)[:wanted]
        return free

    def _grow(self, capacity: int) -> None:
        missing = capacity - len(self._fields["key"])
        if missing > 0:
            blank = _empty(missing, self.history, self.seasonal)
            self._fields = {name: np.concatenate([array, blank[name]]) for name, array in self._fields.items()}

    def _index(self) -> None:
        used = np.flatnonzero(self._fields["key"])
        order = np.argsort(self._fields["key"][used])
        self._rows = used[order]
        self._keys = self._fields["key"][self._rows]

    def _touch(self, rows: NDArray[Any], profiles: bool = False) -> None:
        chunks = np.unique(rows // CHUNK).tolist()
        self._dirty.update(chunks)
        if profiles:
            self._dirty_profiles.update(chunks)


_PROFILE = ("level", "change", "visits")


def _empty(rows: int, history: int, seasonal: bool) -> dict[str, NDArray[Any]]:
    fields: dict[str, NDArray[Any]] = {
        "key": np.zeros(rows, np.uint64),
        "entity": np.zeros(rows, np.uint64),
        "metric": np.zeros(rows, np.int16),
        "born": np.full(rows, NEVER),
        "newest": np.full(rows, NEVER),
        "seen": np.full(rows, NEVER),
        "revision": np.zeros(rows, np.int32),
        "count": np.zeros(rows, np.int64),
        "latest": np.full(rows, np.nan),
        "values": np.full((rows, history), np.nan),
        "distances": np.zeros(rows, np.int64),
        "block": np.full((rows, BLOCK), np.nan, np.float32),
        "medians": np.full((rows, BLOCKS), np.nan, np.float32),
        **empty_memory(rows),
    }
    if seasonal:
        fields |= {
            "seasons": np.full((rows, history), np.nan, np.float32),
            "slot": np.zeros(rows, np.int64),
            "slot_sum": np.zeros(rows),
            "slot_count": np.zeros(rows, np.int32),
            "level": np.full((rows, SLOTS), np.nan, np.float32),
            "change": np.zeros(rows),
            "visits": np.zeros(rows),
        }
    return fields


def _placed(values: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
    out = np.full(len(at), np.nan)
    out[at] = values
    return out
