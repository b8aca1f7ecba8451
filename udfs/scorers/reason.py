"""Why a point is anomalous, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["describe_score"]


def describe_score(
    is_anomaly: pd.Series[bool],
    metric: pd.Series[str],
    value: pd.Series[float],
    expected: pd.Series[float],
    lower: pd.Series[float],
    upper: pd.Series[float],
) -> pd.Series[str]:
    """One sentence for each anomaly, '' for every other point.

    A ratio is given only where it says something: both numbers positive and at least 1.1 apart; else the difference.

    Returns
    -------
    pandas.Series
        Strings, never null, the index of `is_anomaly`.

    Notes
    -----
    Cost: nothing for points that are no anomalies; about 5 microseconds for one that is.

    Examples
    --------
    >>> s = pd.Series
    >>> describe_score(s([True]), s(["latency_ms_p95"]), s([412.0]), s([120.0]), s([90.0]), s([160.0])).tolist()
    ['latency_ms_p95 412 is 3.4x expected 120 (90..160)']
    >>> describe_score(s([True]), s(["request_rate"]), s([0.0]), s([20.0]), s([14.5]), s([25.5])).tolist()
    ['request_rate 0 is 20 below expected 20 (14.5..25.5)']
    """
    flagged = is_anomaly.to_numpy(dtype=object) == np.True_
    reasons = np.full(len(is_anomaly), "", dtype=object)
    rows = np.flatnonzero(flagged)
    if len(rows):
        columns = [c.to_numpy()[rows].tolist() for c in (metric, value, expected, lower, upper)]
        reasons[rows] = [_sentence(*row) for row in zip(*columns, strict=True)]
    return pd.Series(reasons, index=is_anomaly.index, dtype=object)


def _sentence(metric: str | None, value: float, expected: float, lower: float, upper: float) -> str:
    ratio = value / expected if expected > 0 and value > 0 else 0.0
    if ratio >= 1.1 or 0 < ratio <= 1 / 1.1:
        relation = f"{ratio:.2g}x" if ratio < 10 else f"{ratio:,.0f}x"
    else:
        relation = f"{abs(value - expected):.4g} {'above' if value >= expected else 'below'}"
    return f"{metric or 'value'} {value:.6g} is {relation} expected {expected:.4g} ({lower:.4g}..{upper:.4g})"
