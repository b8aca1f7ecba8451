"""A mergeable histogram on a logarithmic scale: durations to buckets, buckets to quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAMMA", "RELATIVE_ERROR", "SMALLEST_MS", "bucket_values", "buckets", "quantiles"]

GAMMA = 1.04
"""Ratio of a bucket's upper to its lower bound."""
RELATIVE_ERROR = (GAMMA - 1) / (GAMMA + 1)
"""A quantile is at most this share (1.96 %) off the sample it stands for."""
SMALLEST_MS = 1e-3
"""All durations up to 1 microsecond share the lowest bucket, whose value is 0: the clocks of logs are no finer."""

_LOG_GAMMA = float(np.log(GAMMA))
_LOWEST = int(np.ceil(np.log(SMALLEST_MS) / _LOG_GAMMA)) - 1
_HIGHEST = 1_000
"""10^17 ms and above share the top bucket."""


def buckets(durations_ms: NDArray[Any]) -> NDArray[Any]:
    """Bucket of each duration.

    Parameters
    ----------
    durations_ms : float64[n], finite; negative ones (clock skew) count as 0

    Returns
    -------
    int16[n]; bucket b holds (GAMMA**(b - 1), GAMMA**b] ms

    Source: Masson et al., "DDSketch", PVLDB 12(12), 2019.
    """
    scaled = np.log(np.maximum(durations_ms, SMALLEST_MS)) / _LOG_GAMMA
    ids: NDArray[Any] = np.where(durations_ms <= SMALLEST_MS, _LOWEST, np.minimum(np.ceil(scaled), _HIGHEST)).astype(np.int16)
    return ids


def bucket_values(ids: NDArray[Any]) -> NDArray[Any]:
    """The value in ms that is at most RELATIVE_ERROR off every duration of its bucket; float64[n]."""
    values = 2.0 * GAMMA ** ids.astype(np.float64) / (GAMMA + 1)
    return np.where(ids <= _LOWEST, 0.0, values)


def quantiles(groups: NDArray[Any], ids: NDArray[Any], counts: NDArray[Any], group_count: int, shares: tuple[float, ...]) -> NDArray[Any]:
    """Quantiles of many histograms at once.

    Parameters
    ----------
    groups : int[m], histogram 0..group_count-1 of each bucket, ascending
    ids : int[m], buckets, ascending within a histogram
    counts : int64[m], durations in the bucket, > 0
    shares : the quantiles wanted, 0..1

    Returns
    -------
    float64[group_count, len(shares)], NaN where a histogram is empty. Each stands for the sample of rank floor(share * (n - 1)).
    """
    result = np.full((group_count, len(shares)), np.nan)
    if not len(ids):
        return result
    cumulated = np.cumsum(counts)
    ends = np.searchsorted(groups, np.arange(group_count), side="right")
    starts = np.searchsorted(groups, np.arange(group_count), side="left")
    before = np.where(starts > 0, cumulated[np.maximum(starts, 1) - 1], 0)
    totals = np.where(ends > 0, cumulated[np.maximum(ends, 1) - 1], 0) - before
    filled = totals > 0
    for column, share in enumerate(shares):  # over 2 or 3 quantiles
        # the small term keeps 0.95 * 20 from becoming rank 18
        rank = np.floor(share * (totals[filled] - 1) + 1e-9).astype(np.int64)
        at = np.searchsorted(cumulated, before[filled] + rank, side="right")
        result[filled, column] = bucket_values(ids[at])
    return result
