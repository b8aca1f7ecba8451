"""How often incidents are how strong: a fading histogram with an extrapolated tail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "EDGES", "PeakTail", "solve_threshold"]

BINS = 240
EDGES: NDArray[Any] = np.geomspace(0.5, 50_000.0, BINS + 1)
"""Edges of the bins of evidence, 5 % apart."""
_LOG_EDGES = np.log(EDGES)
_TAIL = 10.0
"""Strongest incidents that the shape of the tail is read from."""
_PRIOR_SHAPE, _PRIOR_COUNT = 4.0, 2.0
"""A tail that falls with the 4th power of the evidence, worth two observations, until more are there."""


def bin_of(evidence: float) -> int:
    """Bin of the histogram."""
    return int(np.clip(np.searchsorted(EDGES, evidence, side="right") - 1, 0, BINS - 1))


class PeakTail:
    """Counts of incidents by their strongest evidence; what is older fades, a third of it is left after `LIFE_WEEKS`."""

    LIFE_WEEKS = 4.0

    def __init__(self, counts: NDArray[Any] | None = None, weeks: float = 0.0) -> None:
        self.counts = np.zeros(BINS) if counts is None else counts
        self.weeks = weeks
        """Weeks of scores behind the counts, faded as they are."""

    def pass_time(self, weeks: float) -> None:
        """Time in which scores came."""
        if weeks > 0:
            fade = math.exp(-weeks / self.LIFE_WEEKS)
            self.counts *= fade
            self.weeks = self.weeks * fade + self.LIFE_WEEKS * (1.0 - fade)

    def add(self, evidence: float) -> None:
        """One incident that is over."""
        self.counts[bin_of(evidence)] += 1.0

    def exceeding(self, still_open: NDArray[Any] | None = None) -> NDArray[Any]:
        """Incidents above each edge but the last, float64[BINS]: counted below the tail, by a Pareto tail (Hill) within it."""
        counts = self.counts if still_open is None else self.counts + still_open
        above = np.cumsum(counts[::-1])[::-1]
        total = above[0]
        if total <= 0:
            return np.zeros(BINS)
        k = min(_TAIL, total)
        start = int(np.flatnonzero(above >= k * (1 - 1e-9))[-1])
        middles = (_LOG_EDGES[:-1] + _LOG_EDGES[1:]) / 2
        held = above[start]
        excess = float((counts[start:] * np.maximum(middles[start:] - _LOG_EDGES[start], 0.0)).sum())
        shape = (held + _PRIOR_COUNT) / (excess + _PRIOR_COUNT / _PRIOR_SHAPE)
        smooth = held * np.exp(-shape * np.maximum(_LOG_EDGES[:-1] - _LOG_EDGES[start], 0.0))
        out: NDArray[Any] = np.where(np.arange(BINS) < start, above, smooth)
        return out


def solve_threshold(tail: PeakTail, still_open: NDArray[Any], budget: float, target: float, prior: float, floor: float) -> float:
    """Evidence above which `target` incidents a week are expected.

    Parameters
    ----------
    tail : of what was
    still_open : counts of the incidents that go on, by bin
    budget : pages per week, the rate at `prior`
    target : the rate wanted now
    prior : evidence that `budget` incidents a week would exceed if scores were as calibrated as they claim
    floor : it is never lower

    What is known from less than a week is filled up to a week by the prior.
    """
    share = max(1.0 - tail.weeks, 0.02)
    expected = budget * np.exp(-_PRIOR_SHAPE * (_LOG_EDGES[:-1] - math.log(prior)))
    rate = (share * expected + tail.exceeding(still_open)) / (share + tail.weeks)
    # rates fall with the evidence: interpolate in logarithms
    log_rate = np.log(np.maximum(rate, 1e-300))
    log_target = math.log(max(target, 1e-9))
    if log_target <= log_rate[-1]:
        return float(EDGES[-2])
    found = float(np.interp(-log_target, -log_rate, _LOG_EDGES[:-1]))
    return max(math.exp(found), floor)
