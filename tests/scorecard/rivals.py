"""Other detectors on the same points, each point judged by itself and those before it only.

Each function takes `value` (float64[n], evenly spaced, no gaps) and `step_s`, and gives float64[n], high = anomalous, NaN = no verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["RIVALS"]

_Values = NDArray[Any]


def rolling_mad(value: _Values, step_s: int) -> _Values:
    """|x - median of the 60 before| over the median of such distances in the 1,440 before; the naive scorer of the data's README."""
    size = pl.Series(np.abs(value)).rolling_median(100_000, min_samples=1).to_numpy()
    distance = np.abs(value - _before(_median(value, 60)))
    score: _Values = distance / (_before(_median(np.nan_to_num(distance), 1_440)) + 0.001 * size + 1e-9)
    return score


def spectral_residual(value: _Values, step_s: int) -> _Values:
    """The saliency of the newest point in a window of 256. H. Ren et al., KDD 2019.

    Not divided by the mean saliency before it, as in the paper's rule: by rank that does worse on these series.
    """
    window, ahead, lookback, smooth = 256, 5, 5, 3
    out = np.full(len(value), np.nan)
    views = sliding_window_view(value, window) if len(value) >= window else np.zeros((0, window))
    for start in range(0, len(views), 20_000):
        part = views[start : start + 20_000]
        # the paper adds estimated points after the newest, so that it does not stand at the edge
        slope = ((part[:, -1:] - part[:, -1 - np.arange(1, lookback + 1)]) / np.arange(1, lookback + 1)).mean(axis=1)
        estimated = part[:, -lookback] + slope * lookback
        spectrum = np.fft.fft(np.concatenate([part, np.repeat(estimated[:, None], ahead, axis=1)], axis=1), axis=1)
        amplitude = np.abs(spectrum) + 1e-12
        padded = np.pad(np.log(amplitude), ((0, 0), (smooth - 1, 0)), mode="edge")
        residual = np.log(amplitude) - sliding_window_view(padded, smooth, axis=1).mean(axis=2)
        saliency = np.abs(np.fft.ifft(np.exp(residual) * spectrum / amplitude, axis=1))
        out[start + window - 1 : start + window - 1 + len(part)] = saliency[:, window - 1]
    return out


def isolation_forest(value: _Values, step_s: int) -> _Values:
    """scikit-learn's forest over the last 16 values, fitted anew each week on four weeks before."""
    from sklearn.ensemble import IsolationForest

    width, week = 16, 604_800 // step_s
    views = sliding_window_view(value, width)
    out = np.full(len(value), np.nan)
    for start in range(week, len(value), week):
        past = views[max(start - 4 * week, 0) : start - width + 1]
        forest = IsolationForest(n_estimators=50, max_samples=256, random_state=0, n_jobs=1).fit(past)
        now = views[start - width + 1 : start - width + 1 + week]
        out[start : start + len(now)] = -forest.score_samples(now)
    return out


def promql_adaptive(value: _Values, step_s: int) -> _Values:
    """grafana/promql-anomaly-detection, adaptive.yml: distance from avg_1h in half widths of its band (short term, margin, 1 d, 1 w)."""
    hour, day = 3_600 // step_s, 86_400 // step_s
    mean = _mean(value, hour)
    deviation = _std(value, hour)
    filtered = np.where(deviation > 0.5 * mean, deviation, np.nan)
    short = 2 * pl.Series(filtered).fill_nan(None).rolling_mean(26 * hour, min_samples=1).fill_null(float("nan")).to_numpy()
    bands = [(mean - short, mean + short), (0.5 * mean, 1.5 * mean)]
    for back in (day - hour // 2, 7 * day - hour // 2):
        bands.append((_shift(mean - 2 * deviation, back), _shift(mean + 2 * deviation, back)))
    return _overshoot(value, mean, bands)


def promql_robust(value: _Values, step_s: int) -> _Values:
    """grafana/promql-anomaly-detection, robust.yml: the median of the hour, in half widths of the band around the median of the day."""
    hour, day = 3_600 // step_s, 86_400 // step_s
    middle = _median(value, day)
    spread = 2 * _median(np.abs(value - middle), day)
    bands = [(middle - spread, middle + spread), (0.5 * middle, 1.5 * middle)]
    hourly = _median(value, hour)
    hourly_spread = 2 * _median(np.abs(value - hourly), hour)
    for back in (day - hour // 4, 7 * day - hour // 4):
        bands.append((_shift(hourly - hourly_spread, back), _shift(hourly + hourly_spread, back)))
    return _overshoot(hourly, middle, bands)


def signoz_seasonal(value: _Values, step_s: int) -> _Values:
    """SigNoz, daily: |x - (mean of this hour a day ago + mean of today - mean of the three days before)| over today's deviation."""
    hour, day = 3_600 // step_s, 86_400 // step_s
    past_period = _shift(_mean(value, hour), day)
    season = _before(_mean(value, day))
    earlier = np.stack([_shift(season, k * day) for k in (1, 2, 3)])
    known = np.sum(~np.isnan(earlier), axis=0)
    past = np.where(known > 0, np.nansum(earlier, axis=0) / np.maximum(known, 1), np.nan)
    score: _Values = np.abs(value - (past_period + season - past)) / (_before(_std(value, day)) + 1e-12)
    return score


def _overshoot(level: _Values, middle: _Values, bands: list[tuple[_Values, _Values]]) -> _Values:
    lower = np.fmin.reduce([low for low, _ in bands])
    upper = np.fmax.reduce([high for _, high in bands])
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.where(level > middle, upper - middle, middle - lower)
        score: _Values = np.abs(level - middle) / (np.abs(half) + 1e-12)
    return score


def _before(values: _Values) -> _Values:
    return _shift(values, 1)


def _shift(values: _Values, back: int) -> _Values:
    return np.concatenate([np.full(min(back, len(values)), np.nan), values[: max(len(values) - back, 0)]])


def _median(values: _Values, width: int) -> _Values:
    return np.asarray(pl.Series(values).fill_nan(None).rolling_median(width, min_samples=1).fill_null(float("nan")).to_numpy())


def _mean(values: _Values, width: int) -> _Values:
    return np.asarray(pl.Series(values).fill_nan(None).rolling_mean(width, min_samples=1).fill_null(float("nan")).to_numpy())


def _std(values: _Values, width: int) -> _Values:
    return np.asarray(pl.Series(values).fill_nan(None).rolling_std(width, min_samples=2, ddof=0).fill_null(float("nan")).to_numpy())


RIVALS: dict[str, Callable[[_Values, int], _Values]] = {
    "rolling MAD": rolling_mad,
    "spectral residual": spectral_residual,
    "isolation forest": isolation_forest,
    "promql adaptive": promql_adaptive,
    "promql robust": promql_robust,
    "SigNoz": signoz_seasonal,
}
