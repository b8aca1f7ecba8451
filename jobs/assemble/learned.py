"""Learned completeness: how likely it is that a transaction which looks like this, and was quiet for that long, will still grow.

What is learned from
    Every time a transaction grows, it ends an episode of quiet; when it is closed, its last episode is taken to last for ever (and
    taken back when something comes all the same). Episodes are counted by what the transaction looked like, at three levels, from
    general to special:

    0. whether its tree is whole (one root, no missing parent), broken, or there is none;
    1. that, its type (environment, service and route of its earliest event) and the set of services seen: its hops;
    2. that, its type and its shape, the bag of services and operations seen.

    Of the episodes that lasted longer than g, `P(more comes | quiet for g)` is the share that ended by growth. A level with few
    episodes leans on the one before it; the first leans on the waits of the knobs.

    So a transaction with its usual hops and events is closed after the shortest wait, and one that is usually followed by more (hops
    missing, a parent dangling, a service that exports late) is waited for as long as that is worth while.

Memory
    `_ROWS` looks at most. A look forgets half of what it counted when it has seen `_WINDOW` episodes, so it follows what changes; when
    the table is full, the half least counted goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.assemble.paged import PagedTable
from jobs.knobs import Knobs

__all__ = ["Learned", "Plan"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_EDGES_MS = np.array([1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300]) * 1000
"""Waits to choose from; gaps are counted between them, longer ones last."""
_GAPS = len(_EDGES_MS) + 1
_LOOK = np.dtype([("key", "<u8"), ("final", "<f8"), ("gaps", "<f8", (_GAPS,))])
_LEVELS = 3
_LEAN = 3.0
"""Episodes that the level before is worth."""
_SURE = 20.0
_WINDOW = 2000.0
_ROWS = 1 << 14
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Plan(NamedTuple):
    """How long to wait for more, for each transaction."""

    wait_ms: I64
    p_complete: F64
    """Chance that nothing more comes after that wait."""
    is_sure: Mask
    """It rests on enough transactions of the same look."""


class Learned:
    """Counts of episodes by look; every method takes many transactions at once.

    Cost: per tick, a sort of the looks of the transactions that grew; about 0.2 microseconds each.
    """

    def __init__(self, knobs: Knobs) -> None:
        self._knobs = knobs
        self._looks = PagedTable("looks", _LOOK, _ROWS, lambda rows: rows["final"] + rows["gaps"].sum(axis=1))

    def load(self, segments: dict[str, bytes]) -> None:
        """From its pages."""
        self._looks.load(segments)

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """Pages that changed."""
        return self._looks.changes()

    # -- learned

    def grew(self, before: Records, after: Records, gap_ms: I64, was_closed: Mask) -> None:
        """Transactions that grew after a quiet time; what was closed is taken back and closed anew."""
        bucket = np.searchsorted(_EDGES_MS, gap_ms)
        for keys in _looks(before):
            self._add(keys, bucket, np.ones(len(keys)))
            if was_closed.any():
                self._add(keys[was_closed], np.full(int(was_closed.sum()), -1), -np.ones(int(was_closed.sum())))
        if was_closed.any():
            self.closed(after[was_closed])

    def closed(self, records: Records) -> None:
        """Transactions whose quiet is taken to last for ever."""
        if len(records):
            for keys in _looks(records):
                self._add(keys, np.full(len(keys), -1), np.ones(len(keys)))

    # -- asked

    def plan(self, records: Records) -> Plan:
        """The shortest wait after which more is unlikely enough."""
        by_level = _looks(records)
        _, first, which = np.unique(by_level[-1], return_index=True, return_inverse=True)
        whole = records["is_whole"][first] != 0
        more, telling, seen = self._chances([keys[first] for keys in by_level], whole)
        start = np.where(whole, self._knobs.assemble_complete_wait, self._knobs.assemble_idle_wait)
        likely_over = more <= 1.0 - self._knobs.assemble_close_at
        edge = np.where(likely_over.any(axis=1), likely_over.argmax(axis=1), len(_EDGES_MS) - 1)
        sure = seen >= _SURE
        if self._knobs.assemble_fixed_wait:
            sure, start = sure & False, np.full(len(start), self._knobs.assemble_fixed_wait)
        wait = np.where(sure, np.maximum(_EDGES_MS[edge], self._knobs.assemble_min_wait), start)
        told = np.minimum(np.searchsorted(_EDGES_MS, wait), len(_EDGES_MS) - 1)
        chance = 1.0 - telling[np.arange(len(told)), told]
        return Plan(wait[which], chance[which], sure[which])

    def _chances(self, looks: list[U64], whole: Mask) -> tuple[F64, F64, F64]:
        """P(more | quiet for each edge) to decide by, and to tell; episodes of the most special look that has enough."""
        start = np.where(whole, self._knobs.assemble_complete_wait, self._knobs.assemble_idle_wait)
        more = (_EDGES_MS[None, :] < start[:, None]).astype(np.float64)
        telling = np.where(whole, 0.05, 0.5)[:, None] * np.ones(len(_EDGES_MS))
        seen = np.zeros(len(whole))
        for level in range(_LEVELS):
            look = self._looks.take(looks[level])
            gaps, final = look["gaps"], np.maximum(look["final"], 0.0)
            after = gaps[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
            lasted = after + final[:, None]
            more = (after + _LEAN * more) / (lasted + _LEAN)
            telling = (after + _LEAN * telling) / (lasted + _LEAN)
            if level:
                seen = np.maximum(seen, gaps.sum(axis=1) + final)
        return more, telling, seen

    # -- within

    def _add(self, keys: U64, bucket: I64, weight: F64) -> None:
        unique, which = np.unique(keys, return_inverse=True)
        at = self._looks.touch(unique)
        table = self._looks.rows
        sums = np.bincount(which * (_GAPS + 1) + bucket + 1, weight, len(unique) * (_GAPS + 1)).reshape(-1, _GAPS + 1)
        sums, at = sums[at >= 0], at[at >= 0]
        table["final"][at] += sums[:, 0]
        table["gaps"][at] += sums[:, 1:]
        old = at[table["final"][at] + table["gaps"][at].sum(axis=1) > _WINDOW]
        table["final"][old] *= 0.5
        table["gaps"][old] *= 0.5


def _looks(records: Records) -> list[U64]:
    """Key of each level."""
    tree = np.where(records["has_nodes"] != 0, 1 + (records["is_whole"] != 0).astype(np.uint64), 0).astype(np.uint64)
    with np.errstate(over="ignore"):
        general = (tree + np.uint64(1)) * _SPREAD
        kind = _mixed(records["type"] ^ general)
        return [general, _mixed(kind ^ records["services"]), _mixed(kind + records["shape"] * _SPREAD + np.uint64(1))]


def _mixed(values: U64) -> U64:
    mixed: U64 = values * _MIX
    return mixed ^ (mixed >> np.uint64(31))
