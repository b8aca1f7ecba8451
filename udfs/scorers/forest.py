"""Isolation forest: how easily a point is told apart from the points the forest was trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from udfs.scorers.deviation import baseline_scale
from udfs.scorers.forest_model import ForestModel

__all__ = ["FEATURES", "forest_features", "forest_score"]

FEATURES = (
    "deviation_spreads",
    "level_change",
    "step_spreads",
    "seasonal_spreads",
    "noise_ratio",
    "weight_log",
)
"""Columns of the feature matrix, in order. All are free of the metric's unit, so that one model serves all series."""

_Floats = npt.NDArray[np.float64]


def forest_features(
    value: pd.Series[float],
    expected: pd.Series[float],
    spread: pd.Series[float],
    seasonal_expected: pd.Series[float],
    previous: pd.Series[float],
    weight: pd.Series[float],
) -> npt.NDArray[np.float32]:
    """Features of each point, (n, len(FEATURES)), float32; NaN in the first column where the baseline is not known.

    Distances are asinh of spreads: near 0 they are spreads, far away their logarithm. What is unknown (season, previous, weight)
    counts as unremarkable: as expected, or as one event.
    """
    v, e = _floats(value), _floats(expected)
    scale = baseline_scale(e, _floats(spread), np.full(len(v), np.nan))
    seasonal, before, events = _floats(seasonal_expected), _floats(previous), _floats(weight)
    seasonal = np.where(np.isnan(seasonal), e, seasonal)
    before = np.where(np.isnan(before), e, before)
    with np.errstate(all="ignore"):
        columns = (
            np.arcsinh((v - e) / scale),
            np.log((np.abs(v) + scale) / (np.abs(e) + scale)),
            np.arcsinh((v - before) / scale),
            np.arcsinh((v - seasonal) / scale),
            np.log1p(scale / (np.abs(e) + scale)),
            np.log1p(np.where(np.isnan(events), 1.0, np.maximum(events, 0.0))),
        )
    return np.column_stack(columns).astype(np.float32)


def forest_score(
    value: pd.Series[float],
    expected: pd.Series[float],
    spread: pd.Series[float],
    seasonal_expected: pd.Series[float],
    previous: pd.Series[float],
    weight: pd.Series[float],
    model: ForestModel | None,
) -> pd.Series[float]:
    """Score 0..100: 100 times scikit-learn's anomaly score of the isolation forest (`-score_samples`).

    Below 50 = as hard to isolate as most training points, above 60 = rare, towards 100 = alone. A forest cannot tell extremes
    apart that lie beyond all it has seen: use it beside `deviation_score`, not instead.

    Parameters
    ----------
    value, expected, spread, seasonal_expected, previous, weight
        Columns of a point; see `schemas.point.POINT`.
    model
        What `anomasec train` stored, or None: then all scores are null.

    Returns
    -------
    pandas.Series
        float64, the index of `value`; null without a model, or where value, expected or spread is null.

    Notes
    -----
    Cost: see `tests/bench`; about 5 microseconds a row with 100 trees.
    Source: F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation Forest", ICDM 2008.
    """
    score = np.full(len(value), np.nan)
    if model is not None and len(value):
        features = forest_features(value, expected, spread, seasonal_expected, previous, weight)
        known = np.isfinite(features).all(axis=1)
        if known.any():
            score[known] = -100.0 * model.score_samples(features[known])
    return pd.Series(score, index=value.index, dtype=np.float64)


def _floats(column: pd.Series[float]) -> _Floats:
    array = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(array), array, np.nan)
