"""What a series' own past says of its next point: level, spread, the usual value at this time of day, and how rare the point is.

The functions of this file are used by the streaming state (`series.py`, many series, one point each) and by `causal_baselines`
(one series, all its points), so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jobs.measure.detectors import DETECTORS, follow
from jobs.measure.seasonality import follow_profile
from jobs.measure.tails import follow_surprises

__all__ = [
    "BLOCK",
    "BLOCKS",
    "LARGEST",
    "WARM_UP",
    "BaselineColumns",
    "causal_baselines",
    "expected_values",
    "long_medians",
    "middle",
    "spreads",
]

WARM_UP = 12
"""Earlier points a series must have before anything is expected of it (or the whole history, where that is shorter)."""
BLOCK = 24
"""Points whose median distance from what was expected becomes one entry of the long memory of the spread."""
BLOCKS = 60
"""Entries of that memory: the spread rests on up to BLOCK * BLOCKS = 1,440 points, the level on the last `measure_history`."""

LARGEST = 1e100
"""Values beyond are no measurements: they are passed over like NaN, since their squares would overflow."""

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
    season_surprise: NDArray[Any]
    """float64[n]: -log10 of the share of the past that was as far off; see `detectors.py`."""
    step_surprise: NDArray[Any]
    drift_surprise: NDArray[Any]
    noise_surprise: NDArray[Any]

    @classmethod
    def unknown(cls, n: int) -> BaselineColumns:
        """Of n points nothing is known."""
        empty = {field.name: np.full(n, np.nan) for field in fields(cls)}
        return cls(**{**empty, "history_count": np.zeros(n, np.int32)})

    def at(self, places: NDArray[Any], n: int) -> BaselineColumns:
        """These baselines at some of n places (by mask or index); nothing is known at the others."""
        out = BaselineColumns.unknown(n)
        for name, column in vars(self).items():
            getattr(out, name)[places] = column
        return out

    def rows(self, chosen: NDArray[Any]) -> BaselineColumns:
        """Some of the points, by mask or index."""
        return BaselineColumns(**{name: column[chosen] for name, column in vars(self).items()})


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

    Cost: about 20 us per point.
    """
    time_us, value = np.asarray(time_us, np.int64), np.asarray(value, np.float64)
    usable = np.flatnonzero(np.abs(value) < LARGEST)
    repeats = np.zeros(len(usable), bool)
    repeats[1:] = (np.diff(time_us[usable]) == 0) & (np.diff(value[usable]) == 0)
    kept = usable[~repeats]
    known = _kept_baselines(time_us[kept], value[kept], history, seasonal)
    return known.rows(np.cumsum(~repeats) - 1).at(usable, len(value))


def _kept_baselines(time_us: NDArray[Any], value: NDArray[Any], history: int, seasonal: bool) -> BaselineColumns:
    n = len(value)
    now = follow_profile(time_us, value) if seasonal else np.full(n, np.nan)
    lead = np.full(history, np.nan)
    # row i = the `history` points before point i
    values = sliding_window_view(np.concatenate([lead, value]), history)
    seasons = sliding_window_view(np.concatenate([lead, now.astype(np.float32)]), history)
    chunks = [slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
    expected, count = np.full(n, np.nan), np.zeros(n, np.int64)
    for chunk in chunks:
        expected[chunk], count[chunk] = expected_values(values[:n][chunk], seasons[:n][chunk].astype(np.float64), now[chunk])
    long_deviation = _long_deviations(np.abs(value - expected))
    spread = np.full(n, np.nan)
    for chunk in chunks:
        seasons_then = seasons[:n][chunk].astype(np.float64)
        spread[chunk] = spreads(values[:n][chunk], seasons_then, now[chunk], expected[chunk], long_deviation[chunk])
    previous = np.concatenate([[np.nan], value[:-1]])[:n]
    excess = follow(value, np.where(np.isnan(now), expected, now), spread)
    surprises = np.full((n, len(DETECTORS)), np.nan)
    judged = ~np.isnan(excess[:, 0])
    surprises[judged] = follow_surprises(excess[judged])
    return BaselineColumns(expected, spread, now, count.astype(np.int32), previous, *surprises.T)


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
