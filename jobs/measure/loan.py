"""What a young series borrows from its siblings: how far values stray. The level is its own."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jobs.measure.baseline import WARM_UP, middle

__all__ = ["LEAST_OWN", "borrow", "lend"]

LEAST_OWN = 4
"""Points a series must have of its own before it borrows: a level cannot be borrowed, a busy route says nothing of a quiet one."""
_LEAST_SIBLINGS = 3
_CAUTION = 0.75
"""The spread lent is this quantile of the siblings': most of them are calmer."""
_LEVEL_ERROR = 1.57
"""Variance of the median of n points is about this / n, in units of their own."""
_USUAL_PER_SPREAD = 0.8
"""Mean distance of independent noise in standard deviations: what the season detector calls usual."""


class Fields(Protocol):
    """Arrays over all rows by name, such as a `SeriesPool`."""

    def __getitem__(self, field: str) -> NDArray[Any]: ...


def lend(pool: Fields, rows: NDArray[Any], families: tuple[NDArray[Any], NDArray[Any]], absolute: NDArray[Any]) -> NDArray[Any]:
    """Spread that grown-up siblings of the same metric lend: float64[n, 2], a share of the level and a constant; NaN = no siblings.

    Parameters
    ----------
    pool : fields over all rows, see `SeriesPool`
    rows : int64[n], of the young series
    families : from near to far, each int64[rows of the pool]: equal numbers are siblings, -1 has none
    absolute : bool[rows of the pool]: metrics whose spread does not grow with the level, such as ratios

    Cost: about 0.5 us per row of the pool.
    """
    out = np.full((len(rows), 2), np.nan)
    grown = np.flatnonzero((pool["key"] != 0) & (pool["judged"] >= WARM_UP) & ((pool["size"] > 0) | absolute))
    if not len(grown):
        return out
    spread = pool["usual"][grown, 0] / _USUAL_PER_SPREAD
    lent = np.where(absolute[grown], spread, spread / np.maximum(pool["size"][grown], 1e-300))
    metrics = pool["metric"].astype(np.int64)
    for family in families:
        kin = np.where(family < 0, -1, family * 32_768 + metrics)
        order = np.lexsort((lent, kin[grown]))
        sorted_kin = kin[grown][order]
        first, last = np.searchsorted(sorted_kin, kin[rows]), np.searchsorted(sorted_kin, kin[rows], side="right")
        able = np.flatnonzero((kin[rows] >= 0) & (last - first >= _LEAST_SIBLINGS) & np.isnan(out[:, 0]))
        share = lent[order][first[able] + np.floor(_CAUTION * (last - first - 1)[able] + 0.5).astype(np.int64)]
        fixed = absolute[rows[able]]
        out[able] = np.stack([np.where(fixed, 0.0, share), np.where(fixed, share, 0.0)], axis=1)
    return out


def borrow(lent: NDArray[Any], history: NDArray[Any], expected: NDArray[Any], spread: NDArray[Any], count: NDArray[Any]) -> None:
    """Fill in what is expected of young series, and count what they borrowed as points of history.

    Parameters
    ----------
    lent : float64[n, 2] from `lend`
    history : float64[n, h], own values
    expected, spread : float64[n], NaN where not known; are changed
    count : int64[n]; is changed

    The level is the median of the own points; the spread is widened by how little so few points say of the level.
    """
    young = np.flatnonzero(np.isnan(expected) & (count >= LEAST_OWN) & ~np.isnan(lent[:, 0]))
    if not len(young):
        return
    level = middle(history[young])
    wide = np.sqrt(1.0 + _LEVEL_ERROR / count[young])
    own = np.nanmean(np.abs(history[young] - level[:, None]), axis=1) / _USUAL_PER_SPREAD
    expected[young] = level
    spread[young] = wide * np.maximum(np.maximum(lent[young, 0] * np.abs(level) + lent[young, 1], own), 1e-9)
    count[young] = np.maximum(count[young], WARM_UP)
