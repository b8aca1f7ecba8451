"""Metric points that arrive ready made: each goes out once, with the baseline of its series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from jobs.measure.baseline import BaselineColumns
from jobs.measure.series import SeriesPool
from udfs.hashing import hash_columns

__all__ = ["ReadyMade", "pass_through"]

_NAMES = ("environment", "entity_kind", "entity", "metric")
_ORDER = ("time", "arrived_at", "topic", "partition", "offset", "line_index")


@dataclass(frozen=True)
class ReadyMade:
    """The points to emit, and what is known of them."""

    points: pa.Table
    """METRIC_POINT rows."""
    baseline: BaselineColumns
    revision: NDArray[Any]
    """int64[n]: 1, or more where the same series and time came again with another value."""
    repeated: int
    """Exact repeats of the newest point of their series: left out."""


def pass_through(pool: SeriesPool, points: pa.Table) -> ReadyMade:
    """Baselines of the points of one tick, taken by series in order of time.

    Across ticks the order is that of arrival: a point older than its series' newest is judged by what came before it.
    Loops over the points that one series has in one tick.
    """
    if not points.num_rows:
        return ReadyMade(points, BaselineColumns.unknown(0), np.zeros(0, np.int64), 0)
    frame = pl.DataFrame(pl.from_arrow(points)).with_columns(pl.col(_NAMES).fill_null(""))
    keys = np.maximum(hash_columns([points.column(name) for name in _NAMES]), np.uint64(1))
    order = frame.with_columns(key=pl.Series(keys), row=pl.int_range(pl.len())).sort("key", *_ORDER).get_column("row").to_numpy()
    points, keys = points.take(pa.array(order)), keys[order]
    times = points.column("time").cast(pa.int64()).to_numpy()
    values = points.column("value").to_numpy()
    entities = points.column("entity_hash").to_numpy()
    n = len(keys)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    rows = np.empty(n, np.int64)
    rows[:] = np.repeat(pool.find_or_add(keys[first], entities[first], np.full(len(first), -1), times[first]), np.diff([*first, n]))
    turn = np.arange(n) - np.repeat(first, np.diff([*first, n]))
    by_turn = np.argsort(turn, kind="stable")
    bounds = np.searchsorted(turn[by_turn], np.arange(turn.max() + 2))
    known = BaselineColumns.unknown(n)
    revision, kept = np.ones(n, np.int64), np.ones(n, bool)
    for i in range(len(bounds) - 1):
        chosen = by_turn[bounds[i] : bounds[i + 1]]
        again = pool["newest"][rows[chosen]] == times[chosen]
        repeats = again & (pool["latest"][rows[chosen]] == values[chosen])
        kept[chosen[repeats]] = False
        chosen, again = chosen[~repeats], again[~repeats]
        revision[chosen] = np.where(again, pool["revision"][rows[chosen]] + 1, 1)
        baseline = pool.push(rows[chosen], times[chosen], values[chosen])
        for name, column in vars(baseline).items():
            getattr(known, name)[chosen] = column
        pool.set_revisions(rows[chosen], revision[chosen])
    return ReadyMade(points.filter(pa.array(kept)), known.rows(kept), revision[kept], int((~kept).sum()))
