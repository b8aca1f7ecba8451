"""Counts in buckets: quantiles, and the values that a distribution is told by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["QUANTILES", "Buckets", "exponential_edges", "quantile", "quantile_suffix", "statistics", "suffixed"]

QUANTILES = (0.5, 0.95, 0.99)


class Buckets(NamedTuple):
    """Adjacent buckets."""

    edges: Sequence[float]
    """Ascending, one more than `counts`; the first may be -inf, the last inf."""
    counts: Sequence[float]


def quantile(buckets: Buckets, q: float) -> float | None:
    """The value below which the share q of all counts lies; None where there are none.

    Linear within a bucket, as Prometheus does it; an endless bucket answers with its finite edge.

    >>> quantile(Buckets([0.0, 1.0, 2.0, math.inf], [0, 10, 0]), 0.5)
    1.5
    """
    counts = np.maximum(np.asarray(buckets.counts, np.float64), 0.0)
    cumulative = np.cumsum(counts)
    if not len(counts) or not cumulative[-1] > 0:
        return None
    rank = q * cumulative[-1]
    at = int(np.searchsorted(cumulative, rank))
    at = min(at, len(counts) - 1)
    while counts[at] == 0 and at + 1 < len(counts):  # q = 0: the first bucket that holds something
        at += 1
    low, high = float(buckets.edges[at]), float(buckets.edges[at + 1])
    if math.isinf(high):
        return low if math.isfinite(low) else None
    if math.isinf(low):
        return high
    before = cumulative[at] - counts[at]
    return float(low + (high - low) * (rank - before) / counts[at])


def quantile_suffix(q: float) -> str:
    """'p95' for 0.95, 'p99.9' for 0.999, 'min' and 'max' for the ends."""
    if q <= 0:
        return "min"
    return "max" if q >= 1 else f"p{q * 100:.6g}"


def suffixed(metric: str, suffix: str) -> str:
    """Put a suffix behind a metric's name, before its attributes.

    >>> suffixed("latency{route=/a}", "p95")
    'latency.p95{route=/a}'
    """
    name, brace, attributes = metric.partition("{")
    return f"{name}.{suffix}{brace}{attributes}"


def statistics(count: float, total: float | None, buckets: Buckets) -> list[tuple[str, float]]:
    """(suffix, value) of count, sum, mean and quantiles; what cannot be told is left out."""
    found = [("count", count)]
    if total is not None:
        found.append(("sum", total))
        if count > 0:
            found.append(("mean", total / count))
    for q in QUANTILES:
        value = quantile(buckets, q)
        if value is not None:
            found.append((quantile_suffix(q), value))
    return found


def exponential_edges(scale: int, offset: int, count: int) -> NDArray[Any]:
    """Edges of `count` positive buckets of an exponential histogram: 2^(2^-scale) to the power of offset, offset + 1, ...

    https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram
    """
    with np.errstate(over="ignore", under="ignore"):
        edges: NDArray[Any] = np.exp2(np.arange(offset, offset + count + 1) * math.ldexp(1.0, -scale))
    return edges
