"""The metrics of a window: their names, their values, and how uncertain small numbers make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.measure.histogram import RELATIVE_ERROR, quantiles
from jobs.measure.window import COUNTS, DURATION, TRANSACTION_DURATION, WindowCounts
from schemas.event import ERROR_CATEGORIES

__all__ = [
    "CATEGORY_RATIOS",
    "ERROR_RATIO",
    "METRICS",
    "ON_DEMAND",
    "REQUEST_RATE",
    "WindowMetrics",
    "possible",
    "spread_floor",
    "window_metrics",
]

METRICS = (
    "request_rate",
    "error_ratio",
    *(f"error_ratio_{category}" for category in ERROR_CATEGORIES[:6]),
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ms_p99",
    "response_bytes_rate",
    "transaction_duration_ms_p50",
    "transaction_duration_ms_p95",
    *(f"error_ratio_{category}" for category in ERROR_CATEGORIES[6:]),
)
"""Metrics by number: the number is part of the state's layout, new ones go last. Rates are per second, ratios 0..1."""
REQUEST_RATE, ERROR_RATIO = METRICS.index("request_rate"), METRICS.index("error_ratio")
CATEGORY_RATIOS = tuple(METRICS.index(f"error_ratio_{category}") for category in ERROR_CATEGORIES)
_BYTES_RATE = METRICS.index("response_bytes_rate")
ON_DEMAND = (*CATEGORY_RATIOS, _BYTES_RATE)
"""Metrics of a series only while they were other than 0 within its look-back."""

_LATENCY = ((0.50, 0.95, 0.99), METRICS.index("latency_ms_p50"), DURATION)
_TRANSACTION = ((0.50, 0.95), METRICS.index("transaction_duration_ms_p50"), TRANSACTION_DURATION)
_QUANTILE_NOISE = {
    METRICS.index("latency_ms_p50"): 0.6,
    METRICS.index("latency_ms_p95"): 1.1,
    METRICS.index("latency_ms_p99"): 1.9,
    METRICS.index("transaction_duration_ms_p50"): 0.6,
    METRICS.index("transaction_duration_ms_p95"): 1.1,
}
"""Standard error of a quantile of n log-normal durations (sigma 0.5), as a share of it, is about this / sqrt(n)."""


@dataclass
class WindowMetrics:
    """Values of one window, one row per entity and metric."""

    entities: NDArray[Any]
    """uint64[k]: entity hash."""
    metrics: NDArray[Any]
    """int16[k]: number of the metric in METRICS."""
    values: NDArray[Any]
    """float64[k]: in the metric's unit, finite."""
    weights: NDArray[Any]
    """float64[k]: requests (or transactions) it rests on."""

    def rows(self, chosen: NDArray[Any]) -> WindowMetrics:
        """Some of the rows, by mask or index."""
        return WindowMetrics(self.entities[chosen], self.metrics[chosen], self.values[chosen], self.weights[chosen])


def window_metrics(window: WindowCounts, width_s: int, with_details: bool) -> WindowMetrics:
    """All values of a window; on-demand metrics are there even where they are 0.

    Parameters
    ----------
    with_details : false for clients, which get request_rate and error_ratio only
    """
    requests = window.counts[:, 0].astype(np.float64)
    errors = window.counts[:, 1 : 1 + len(ERROR_CATEGORIES)]
    asked = requests > 0
    columns: list[tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]]] = [(REQUEST_RATE, requests / width_s, requests, requests >= 0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        columns.append((ERROR_RATIO, errors.sum(axis=1) / requests, requests, asked))
        if with_details:
            columns += [(metric, errors[:, i] / requests, requests, asked) for i, metric in enumerate(CATEGORY_RATIOS)]
            columns.append((_BYTES_RATE, window.counts[:, COUNTS.index("response_bytes")] / width_s, requests, asked))
            for shares, first, which in (_LATENCY, _TRANSACTION):
                owner, buckets, counts = window.histogram(which)
                values = quantiles(owner, buckets, counts, len(requests), shares)
                total = np.bincount(owner, weights=counts, minlength=len(requests))
                columns += [(first + i, values[:, i], total, total > 0) for i in range(len(shares))]
    return WindowMetrics(
        np.concatenate([window.entities[there] for _, _, _, there in columns]),
        np.concatenate([np.full(int(there.sum()), metric, np.int16) for metric, _, _, there in columns]),
        np.concatenate([values[there] for _, values, _, there in columns]),
        np.concatenate([weights[there] for _, _, weights, there in columns]),
    )


def possible(metrics: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """`expected` within what the metric can be: nothing is negative, no ratio above 1. NaN stays."""
    most = np.where(np.isin(metrics, (ERROR_RATIO, *CATEGORY_RATIOS)), 1.0, np.inf)
    return np.clip(expected, 0.0, most)


def spread_floor(metrics: NDArray[Any], expected: NDArray[Any], weights: NDArray[Any], width_s: int) -> NDArray[Any]:
    """Standard deviation that chance alone gives, float64[n]; one error among three requests is no surprise.

    Parameters
    ----------
    metrics : int16[n]
    expected : float64[n], NaN gives NaN
    weights : float64[n], requests of the window that is judged

    Rates: Poisson, of the number expected. Ratios: binomial, with half an error and half a success added (Jeffreys). Quantiles:
    standard error of the sample quantile, and the width of a histogram bucket. Bytes: as many sizes as requests.
    """
    count = np.maximum(weights, 1.0)
    likely = (np.clip(expected, 0.0, 1.0) * count + 0.5) / (count + 1.0)
    floor = np.sqrt(likely * (1.0 - likely) / count)
    floor = np.where(metrics == REQUEST_RATE, np.sqrt(np.maximum(expected * width_s, 1.0)) / width_s, floor)
    floor = np.where(metrics == _BYTES_RATE, np.abs(expected) / np.sqrt(count), floor)
    for metric, noise in _QUANTILE_NOISE.items():
        floor = np.where(metrics == metric, np.abs(expected) * (RELATIVE_ERROR + noise / np.sqrt(count)), floor)
    return floor
