"""How rare a distance is: the share of a series' own past that was as far off, from a histogram of doublings.

Where the past is short, or nothing in it was as far off, a heavy-tailed prior fills in, as if 50 points of an ordinary series had been
seen: so there is an answer from the first point on, and of two extremes the farther one is the rarer. Histograms add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "count", "follow_surprises", "places", "surprises"]

BINS = 24
"""Two per doubling of the distance, from 1 to 4,096; the last is open."""
_PER_DOUBLING = 2.0
_PRIOR_POINTS = 50.0
_PRIOR_POWER = 5 / 3
"""Share of an ordinary series beyond a distance d: (1 + d^2)^-5/3, or 1 in 100 beyond 4, 1,000 beyond 8, 10,000 beyond 16."""
_MOST = 131_072.0
"""Points after which all counts are halved: the past fades, over three months of minutes."""
_CHUNK = 8_192


def places(excess: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Bin of each distance (int64) and how far into it (0..1), any shape."""
    place = _PER_DOUBLING * np.log2(np.maximum(excess, 1.0))
    bins = np.minimum(place.astype(np.int64), BINS - 1)
    return bins, np.minimum(place - bins, 1.0)


def surprises(above: NDArray[Any], within: NDArray[Any], share: NDArray[Any], total: NDArray[Any], excess: NDArray[Any]) -> NDArray[Any]:
    """-log10 of the share of the past that was as far off, any shape.

    Parameters
    ----------
    above, within : points counted in the bins above, and in the bin
    share : how far into its bin the distance is
    total : points counted
    excess : the distance
    """
    prior = (1.0 + excess * excess) ** -_PRIOR_POWER
    beyond = above + within * (1.0 - share) + _PRIOR_POINTS * prior
    out: NDArray[Any] = -np.log10(beyond / (total + _PRIOR_POINTS))
    return np.maximum(out, 0.0)


def count(counts: NDArray[Any], total: NDArray[Any], excess: NDArray[Any], learn: bool = True) -> NDArray[Any]:
    """Surprises of one point of each of n series, which is then counted.

    Parameters
    ----------
    counts : float32[n, k, BINS], is changed
    total : float64[n], is changed
    excess : float64[n, k], distances
    learn : false leaves the counts as they are
    """
    bins, share = places(excess)
    at = bins[..., None]
    above = np.cumsum(counts[..., ::-1].astype(np.float64), axis=-1)[..., ::-1]
    within = np.take_along_axis(counts, at, axis=-1)[..., 0].astype(np.float64)
    out = surprises(np.take_along_axis(above, at, axis=-1)[..., 0] - within, within, share, total[:, None], excess)
    if learn:
        np.put_along_axis(counts, at, (within + 1.0)[..., None].astype(np.float32), axis=-1)
        total += 1.0
        full = total >= _MOST
        counts[full] *= np.float32(0.5)
        total[full] *= 0.5
    return out


def follow_surprises(excess: NDArray[Any]) -> NDArray[Any]:
    """Surprises of all points of one series, each by those before it; float64[n, k] as `excess`. About 1 us per number."""
    n, k = excess.shape
    counts, total = np.zeros((k, BINS), np.float32), 0.0
    out = np.empty((n, k))
    start = 0
    while start < n:
        stop = min(start + _CHUNK, n, start + int(np.ceil(_MOST - total)))
        bins, share = places(excess[start:stop])
        seen = total + np.arange(stop - start)
        for detector in range(k):
            hits = np.zeros((stop - start + 1, BINS))
            hits[np.arange(1, stop - start + 1), bins[:, detector]] = 1.0
            hits[0] = counts[detector]
            held = np.cumsum(hits, axis=0)
            before = held[:-1]
            row = np.arange(stop - start)
            within = before[row, bins[:, detector]]
            above = np.cumsum(before[:, ::-1], axis=1)[:, ::-1][row, bins[:, detector]] - within
            out[start:stop, detector] = surprises(above, within, share[:, detector], seen, excess[start:stop, detector])
            counts[detector] = held[-1].astype(np.float32)
        total += stop - start
        if total >= _MOST:
            counts *= np.float32(0.5)
            total *= 0.5
        start = stop
    return out
