"""How strong an incident is, in one number that compares over the whole estate."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["evidence_of", "surprise_of_score"]

_SERIES_SHARE = 0.5
"""What each further series adds, as a share of the one before: two metrics of one fault are not two faults."""
_MOST_SERIES = 4
_REPEAT_SHARE = 0.1
"""What each doubling of the windows of the strongest series adds, as a share: what lasts is no freak."""
_MOST_DOUBLINGS = 6
_HALF_SCORE_SPREADS = 3.0


def surprise_of_score(score: float | None) -> float:
    """Surprise of a score where none was given: -log10 of the tail of a Laplace distribution, whose tails are as heavy as those of data.

    >>> [round(surprise_of_score(score), 1) for score in (0.0, 50.0, 90.0, 99.0)]
    [0.0, 1.3, 11.7, 129.0]
    """
    if score is None or math.isnan(score) or score <= 0:
        return 0.0
    score = min(score, 99.999999)
    return _HALF_SCORE_SPREADS * score / (100.0 - score) * math.log10(math.e)


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
