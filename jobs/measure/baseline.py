"""What a series' own past says of its next point: level, spread and the usual value at this time of day.

The functions of this file are used by the streaming state (`series.py`, many series, one point each) and by `causal_baselines`
(one series, all its points), so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jobs.measure.seasonality import SLOT_US, SLOTS, fold

__all__ = ["BLOCK", "BLOCKS", "WARM_UP", "BaselineColumns", "causal_baselines", "expected_values", "long_medians", "middle", "spreads"]

WARM_UP = 12
"""Earlier points a series must have before anything is expected of it (or the whole history, where that is shorter)."""
BLOCK = 24
"""Points whose median distance from what was expected becomes one entry of the long memory of the spread."""
BLOCKS = 60
"""Entries of that memory: the spread rests on up to BLOCK * BLOCKS = 1,440 points, the level on the last `measure_history`."""

_MIN_BLOCKS = 3
_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""
_MEAN_TO_SIGMA = 1.2533
_RELATIVE_FLOOR = 1e-3
_ABSOLUTE_FLOOR = 1e-9
_CHUNK = 8_192


@dataclass(frozen=True)
class BaselineColumns:
    """Baselines of n points; NaN = not known (yet)."""

    expected: NDArray[Any]
    """float64[n]: what is expected of the value."""
    spread: NDArray[Any]
    """float64[n]: robust standard deviation around it, > 0."""
    seasonal_expected: NDArray[Any]
    """float64[n]: the usual value at this time of day, from earlier days."""
    history_count: NDArray[Any]
    """int32[n]: earlier points that `expected` rests on."""
    previous: NDArray[Any]
    """float64[n]: value of the point before."""


def middle(values: NDArray[Any]) -> NDArray[Any]:
    """Median of each row of float64[n, k], NaN left out; NaN where a row has nothing else. About 1 us per row of 60."""
    ordered = np.sort(values, axis=1)  # NaN goes last
    count = np.sum(~np.isnan(ordered), axis=1)
    row = np.arange(len(values))
    low, high = ordered[row, np.maximum(count - 1, 0) // 2], ordered[row, np.minimum(count // 2, values.shape[1] - 1)]
    medians: NDArray[Any] = 0.5 * (low + high)
    return medians


def expected_values(history: NDArray[Any], seasonal: NDArray[Any], seasonal_now: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Level of each series and the number of points it rests on.

    Parameters
    ----------
    history : float64[n, h], the last values in any order, NaN where there are none yet
    seasonal : float64[n, h], the seasonal value at the time of each of them, NaN = not known
    seasonal_now : float64[n], the seasonal value now

    Returns
    -------
    (float64[n], int64[n]). The level is the median; once the season is known, the seasonal value plus the median distance
    from it, so that neither a daily curve nor a lasting shift of the level is a surprise. The median follows a shift after half
    its history, and no outlier moves it.
    """
    count = np.sum(~np.isnan(history), axis=1)
    expected = middle(_aligned(history, seasonal, seasonal_now))
    return np.where(count >= _enough(history), expected, np.nan), count


def _enough(history: NDArray[Any]) -> int:
    return min(WARM_UP, int(history.shape[1]))


def _aligned(history: NDArray[Any], seasonal: NDArray[Any], seasonal_now: NDArray[Any]) -> NDArray[Any]:
    """The history as it would look at this time of day; as it is, where too little is known of the season."""
    aligned = history - seasonal + seasonal_now[:, None]
    seasoned = np.sum(~np.isnan(aligned), axis=1) >= _enough(history)
    return np.where(seasoned[:, None], aligned, history)


def spreads(
    history: NDArray[Any], seasonal: NDArray[Any], seasonal_now: NDArray[Any], expected: NDArray[Any], long_deviation: NDArray[Any]
) -> NDArray[Any]:
    """Robust standard deviation of each series, float64[n], > 0; NaN where nothing is expected.

    Parameters
    ----------
    history, seasonal, seasonal_now : as for `expected_values`
    expected : float64[n], what it returned
    long_deviation : float64[n], median of the long memory, NaN = not known

    The long memory where there is one, else the median distance within the history; where that is 0 (mostly flat, with a bump now
    and then) the mean distance. Never below a thousandth of the level.
    """
    scale = _TO_SIGMA * long_deviation
    short = np.flatnonzero(~np.isnan(expected) & ~(long_deviation > 0))
    if len(short):
        aligned = _aligned(history[short], seasonal[short], seasonal_now[short])
        distance = np.sort(np.abs(aligned - expected[short, None]), axis=1)
        mean = np.nansum(distance, axis=1) / np.sum(~np.isnan(distance), axis=1)
        median = middle(distance)
        scale[short] = np.where(median > 0, _TO_SIGMA * median, _MEAN_TO_SIGMA * mean)
    return np.where(np.isnan(expected), np.nan, np.maximum(np.maximum(scale, _RELATIVE_FLOOR * np.abs(expected)), _ABSOLUTE_FLOOR))


def causal_baselines(time_us: NDArray[Any], value: NDArray[Any], history: int, seasonal: bool = True) -> BaselineColumns:
    """Baselines of one whole series, each point's from the points before it only.

    Parameters
    ----------
    time_us : int64[n], epoch us, in order of arrival; gaps and steps backwards are allowed: arrival is what counts as before
    value : float64[n]. A value that is not finite has no baseline and enters nobody's history; nor does an exact repeat of the
        point before (same time, same value), which gets that point's baseline.
    history : points the level looks back on (knob measure_history)
    seasonal : learn the time of day

    Cost: about 10 us per point.
    """
    time_us, value = np.asarray(time_us, np.int64), np.asarray(value, np.float64)
    finite = np.flatnonzero(np.isfinite(value))
    repeats = np.zeros(len(finite), bool)
    repeats[1:] = (np.diff(time_us[finite]) == 0) & (np.diff(value[finite]) == 0)
    kept = finite[~repeats]
    known = _kept_baselines(time_us[kept], value[kept], history, seasonal)
    of = np.full(len(value), -1)
    of[finite] = np.cumsum(~repeats) - 1
    missing = of < 0

    def spread_out(column: NDArray[Any], fill: float) -> NDArray[Any]:
        out = np.full(len(value), fill, column.dtype)
        out[~missing] = column[of[~missing]]
        return out

    return BaselineColumns(
        spread_out(known.expected, np.nan),
        spread_out(known.spread, np.nan),
        spread_out(known.seasonal_expected, np.nan),
        spread_out(known.history_count, 0),
        spread_out(known.previous, np.nan),
    )


def _kept_baselines(time_us: NDArray[Any], value: NDArray[Any], history: int, seasonal: bool) -> BaselineColumns:
    n = len(value)
    now = _seasonal_values(time_us, value) if seasonal else np.full(n, np.nan)
    lead = np.full(history, np.nan)
    # row i = the `history` points before point i
    values = sliding_window_view(np.concatenate([lead, value]), history)
    seasons = sliding_window_view(np.concatenate([lead, now]), history)
    chunks = [slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
    expected, count = np.full(n, np.nan), np.zeros(n, np.int64)
    for chunk in chunks:
        expected[chunk], count[chunk] = expected_values(values[:n][chunk], seasons[:n][chunk], now[chunk])
    long_deviation = _long_deviations(np.abs(value - expected))
    spread = np.full(n, np.nan)
    for chunk in chunks:
        spread[chunk] = spreads(values[:n][chunk], seasons[:n][chunk], now[chunk], expected[chunk], long_deviation[chunk])
    previous = np.concatenate([[np.nan], value[:-1]])[:n]
    return BaselineColumns(expected, spread, now, count.astype(np.int32), previous)


def _seasonal_values(time_us: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    """The profile at each point, as the streaming state would have it; loops over the days seen, not over points."""
    if not len(value):
        return np.zeros(0)
    quarter = time_us // SLOT_US
    run = np.concatenate([[0], np.cumsum(np.diff(quarter) != 0)])
    first = np.flatnonzero(np.concatenate([[True], np.diff(run) > 0]))
    means = np.bincount(run, weights=value) / np.bincount(run)
    slot = quarter[first] % SLOTS
    order = np.argsort(slot, kind="stable")
    starts = np.searchsorted(slot[order], np.arange(SLOTS))
    visit = np.empty(len(slot), np.int64)
    visit[order] = np.arange(len(slot)) - starts[slot[order]]
    level, deviation = np.full(SLOTS, np.nan, np.float32), np.full(SLOTS, np.nan, np.float32)
    seen = np.empty(len(slot), np.float32)
    by_visit = np.argsort(visit, kind="stable")
    bounds = np.searchsorted(visit[by_visit], np.arange(visit.max() + 2))
    for day in range(visit.max() + 1):
        runs = by_visit[bounds[day] : bounds[day + 1]]
        at = slot[runs]
        seen[runs] = level[at]
        level[at], deviation[at] = fold(level[at], deviation[at], means[runs])
    at_points: NDArray[Any] = seen[run].astype(np.float64)
    return at_points


def _long_deviations(distance: NDArray[Any]) -> NDArray[Any]:
    """Median of the medians of the last whole blocks of `distance` before each point; NaN until there are a few."""
    n = len(distance)
    known = ~np.isnan(distance)
    before = (np.cumsum(known) - known) // BLOCK
    stored = distance[known].astype(np.float32).astype(np.float64)
    whole = len(stored) // BLOCK
    if whole < _MIN_BLOCKS:
        return np.full(n, np.nan)
    medians = middle(stored[: whole * BLOCK].reshape(whole, BLOCK)).astype(np.float32).astype(np.float64)
    windows = sliding_window_view(np.concatenate([np.full(BLOCKS, np.nan), medians]), BLOCKS)
    at_points: NDArray[Any] = long_medians(windows)[before]
    return at_points


def long_medians(blocks: NDArray[Any]) -> NDArray[Any]:
    """Median of each row of the long memory, float64[n, BLOCKS], NaN = empty; NaN until a few blocks are whole."""
    enough = np.sum(~np.isnan(blocks), axis=1) >= _MIN_BLOCKS
    return np.where(enough, middle(blocks), np.nan)
