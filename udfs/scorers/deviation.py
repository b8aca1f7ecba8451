"""Robust seasonal deviation: how far a value lies from what its own past says, in spreads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["HALF_SCORE_SPREADS", "deviation_lower", "deviation_score", "deviation_upper", "spreads_of_score"]

HALF_SCORE_SPREADS = 3.0
"""Deviation, in spreads, that scores 50."""

_RELATIVE_FLOOR = 0.01
"""The spread is taken as at least this share of what is expected: a flat series has a spread of 0, yet jitters."""

_ABSOLUTE_FLOOR = 1e-9
"""And at least this much, so that a series of zeros can be judged."""

_WEIGHT_HALF = 3.0
"""A value that rests on this many events has its spread widened by sqrt(2), one that rests on 1 by 2."""

_SEASONAL_SHARE = 0.5
"""How much of the distance is forgiven where the same time of earlier days explains the value, 0..1."""

_Floats = npt.NDArray[np.float64]


def deviation_score(
    value: pd.Series[float],
    expected: pd.Series[float],
    spread: pd.Series[float],
    seasonal_expected: pd.Series[float],
    weight: pd.Series[float],
) -> pd.Series[float]:
    """Score 0..100: `100 d / (d + 3)` for a deviation of `d` spreads.

    So 0 = as expected, 50 = 3 spreads, 67 = 6, 75 = 9, 90 = 27. It never reaches 100 (until `d` passes 1e16): the worst of many
    extreme values stays the worst, which a cap or a probability would lose.

    Parameters
    ----------
    value
        What was measured.
    expected, spread
        Baseline and its robust standard deviation, in the unit of the value; null while warming up.
    seasonal_expected
        What the same time of earlier days says; null = unknown. Half of the distance to `expected` is forgiven as far as the value
        is nearer to this.
    weight
        Number of events behind the value; null = unknown. Few events widen the spread, by 2 at most.

    Returns
    -------
    pandas.Series
        float64, the index of `value`; null where value, expected or spread is null or not finite.

    Notes
    -----
    Cost: about 50 ns a row. Not for values whose past means nothing, such as counters that only grow: measure their rate.

    Examples
    --------
    >>> s = pd.Series
    >>> deviation_score(s([10.0, 16.0, 64.0]), s([10.0] * 3), s([2.0] * 3), s([np.nan] * 3), s([np.nan] * 3)).tolist()
    [0.0, 50.0, 90.0]
    """
    parts = _parts(value, expected, spread, seasonal_expected, weight)
    with np.errstate(invalid="ignore", over="ignore"):
        spreads = parts.distance / parts.scale
        score = 100.0 * (spreads / (spreads + HALF_SCORE_SPREADS))
    score[np.isinf(spreads)] = 100.0
    return pd.Series(score, index=value.index, dtype=np.float64)


def deviation_lower(
    expected: pd.Series[float],
    spread: pd.Series[float],
    seasonal_expected: pd.Series[float],
    weight: pd.Series[float],
    band: pd.Series[float],
) -> pd.Series[float]:
    """Lower bound of what is normal: `band` spreads below the expected (or seasonal, if lower) value.

    Returns
    -------
    pandas.Series
        float64, in the unit of the value; null where expected or spread is null.

    Examples
    --------
    >>> s = pd.Series
    >>> deviation_lower(s([10.0]), s([2.0]), s([np.nan]), s([np.nan]), s([3.0])).tolist()
    [4.0]
    """
    parts = _parts(expected, expected, spread, seasonal_expected, weight)
    lower = np.fmin(parts.center, parts.seasonal_center) - _floats(band) * parts.scale
    return pd.Series(lower, index=expected.index, dtype=np.float64)


def deviation_upper(
    expected: pd.Series[float],
    spread: pd.Series[float],
    seasonal_expected: pd.Series[float],
    weight: pd.Series[float],
    band: pd.Series[float],
) -> pd.Series[float]:
    """Upper bound of what is normal: `band` spreads above the expected (or seasonal, if higher) value.

    Examples
    --------
    >>> s = pd.Series
    >>> deviation_upper(s([10.0]), s([2.0]), s([14.0]), s([np.nan]), s([3.0])).tolist()
    [18.0]
    """
    parts = _parts(expected, expected, spread, seasonal_expected, weight)
    upper = np.fmax(parts.center, parts.seasonal_center) + _floats(band) * parts.scale
    return pd.Series(upper, index=expected.index, dtype=np.float64)


def spreads_of_score(score: float) -> float:
    """The deviation in spreads that gets this score: what a threshold means.

    Examples
    --------
    >>> spreads_of_score(50.0)
    3.0
    """
    return HALF_SCORE_SPREADS * score / (100.0 - score)


class _Parts:
    """Centres, scale and distance, in the unit of the value; NaN where unknown."""

    __slots__ = ("center", "distance", "scale", "seasonal_center")

    def __init__(self, center: _Floats, seasonal_center: _Floats, scale: _Floats, distance: _Floats) -> None:
        self.center = center
        self.seasonal_center = seasonal_center
        self.scale = scale
        self.distance = distance


def _parts(
    value: pd.Series[float],
    expected: pd.Series[float],
    spread: pd.Series[float],
    seasonal_expected: pd.Series[float],
    weight: pd.Series[float],
) -> _Parts:
    measured, center, seasonal = _floats(value), _floats(expected), _floats(seasonal_expected)
    scale = baseline_scale(center, _floats(spread), _floats(weight))
    seasonal_center = center + _SEASONAL_SHARE * (seasonal - center)
    with np.errstate(invalid="ignore", over="ignore"):
        recent = np.abs(measured - center)
        forgiven = _SEASONAL_SHARE * np.fmax(recent - np.abs(measured - seasonal), 0.0)
    return _Parts(center, seasonal_center, scale, recent - np.where(np.isnan(forgiven), 0.0, forgiven))


def baseline_scale(expected: _Floats, spread: _Floats, weight: _Floats) -> _Floats:
    """The spread that deviations are measured in: floored, and widened where the value rests on few events.

    Shapes: all (n,). NaN where expected or spread is NaN.
    """
    floored = np.maximum(np.maximum(spread, _RELATIVE_FLOOR * np.abs(expected)), _ABSOLUTE_FLOOR)
    widening = np.sqrt(1.0 + _WEIGHT_HALF / np.fmax(weight, 1.0))
    return np.asarray(floored * np.where(np.isnan(weight), 1.0, widening), dtype=np.float64)


def _floats(column: pd.Series[float]) -> _Floats:
    """Float64 with NaN for whatever is not finite; a copy only where something changes."""
    array = column.to_numpy(dtype=np.float64, na_value=np.nan)
    finite = np.isfinite(array)
    return array if finite.all() else np.where(finite, array, np.nan)
