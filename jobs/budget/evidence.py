"""How strong an incident is, in one number that compares over the whole estate."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["evidence_of", "severity", "surprise_of_score"]

_CERTAIN = 8.0
"""Surprise from which more of it says little more: it is certain that something is wrong, the question is how large it is."""
_CERTAIN_SCALE = 4.0
_LEAST_FACTOR, _MOST_FACTOR = 0.5, 2.0
_RATIO_UNIT = 0.05
"""A ratio that is this much above what was expected counts like a doubling."""
_SURGE_SHARE = 0.5
"""More traffic harms nobody by itself: what it harms shows in latency and errors."""

_SERIES_SHARE = 0.5
"""What each further series adds, as a share of the one before: two metrics of one fault are not two faults."""
_MOST_SERIES = 4
_REPEAT_SHARE = 0.1
"""What each doubling of the windows of the strongest series adds, as a share: what lasts is no freak."""
_MOST_DOUBLINGS = 6


def surprise_of_score(score: float | None) -> float:
    """Surprise that a score stands for, where none was given: score = 100 (1 - 10^(-surprise / 5)).

    >>> [round(surprise_of_score(score), 1) for score in (0.0, 60.0, 75.0, 90.0, 99.0)]
    [0.0, 2.0, 3.0, 5.0, 10.0]
    """
    if score is None or math.isnan(score) or score <= 0:
        return 0.0
    return -5.0 * math.log10(1.0 - min(score, 99.999999) / 100.0)


def severity(surprise: float, metric: str, value: float | None, expected: float | None) -> float:
    """What an anomaly counts towards a page: how certain it is, times how large it is.

    Surprise counts in full up to 8 and logarithmically from there. A doubling (or halving) leaves it as it is, less of an effect
    brings it down to a half, more of it (fivefold, 30 % errors) up to the double. More traffic than expected counts half.

    >>> [round(severity(6.0, "latency_ms_p95", value, 100.0), 1) for value in (120.0, 200.0, 300.0, 1000.0)]
    [3.8, 6.0, 7.8, 12.0]
    >>> round(severity(100.0, "latency_ms_p95", 200.0, 100.0), 1), round(severity(6.0, "request_rate", 200.0, 100.0), 1)
    (20.7, 3.0)
    """
    certain = surprise if surprise <= _CERTAIN else _CERTAIN + _CERTAIN_SCALE * math.log1p((surprise - _CERTAIN) / _CERTAIN_SCALE)
    if value is None or expected is None:
        return certain
    if "ratio" in metric:
        doublings = math.log2(1.0 + abs(value - expected) / _RATIO_UNIT)
    else:
        large, small = max(abs(value), abs(expected)), min(abs(value), abs(expected))
        if value * expected < 0:
            small = 0.0
        doublings = math.log2(large / small) if small > large / 16 else 4.0 if large > 0 else 0.0
    factor = min(max(0.5 + 0.5 * doublings, _LEAST_FACTOR), _MOST_FACTOR)
    if value > expected and (metric == "request_rate" or metric.endswith("bytes_rate")):
        factor *= _SURGE_SHARE
    return certain * factor


def evidence_of(members: Iterable[tuple[str, float, float]]) -> float:
    """Evidence of an incident from its anomalies.

    Parameters
    ----------
    members : (series, start of the window, surprise) of each anomaly that counts

    The strongest window of each series counts, the strongest series whole, each further one half of the one before, four at most;
    so it is at most 1.9 times that of the strongest. What lasts counts more: a tenth per doubling of its windows, 60 % at most.

    >>> evidence_of([("a", 0, 8.0)]), evidence_of([("a", 0, 8.0), ("b", 0, 8.0)]), evidence_of([("a", 0, 8.0), ("a", 5, 6.0)])
    (8.0, 12.0, 8.8)
    """
    best: dict[str, float] = {}
    windows: dict[str, set[float]] = {}
    for series, start, surprise in members:
        best[series] = max(best.get(series, 0.0), surprise)
        windows.setdefault(series, set()).add(start)
    if not best:
        return 0.0
    strongest = sorted(best, key=lambda series: (-best[series], series))
    total = sum(best[series] * _SERIES_SHARE**i for i, series in enumerate(strongest[:_MOST_SERIES]))
    doublings = min(math.log2(len(windows[strongest[0]])), _MOST_DOUBLINGS)
    return total * (1.0 + _REPEAT_SHARE * doublings)
