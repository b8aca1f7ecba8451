"""The time-of-day profile: one robust running level per quarter of an hour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLOTS", "SLOT_US", "fold"]

SLOTS = 96
"""Slots of a day (UTC)."""
SLOT_US = 86_400_000_000 // SLOTS

_FOLLOW = 0.3
"""Share of the distance that the level moves per day."""
_CLIP = 3.0
"""A day counts at most as if it were this many usual deviations off: one bad day does not become the norm."""
_GROWTH = 4.0
"""The usual deviation may grow this much per day: a lasting change does become the norm, within about a week."""


def fold(level: NDArray[Any], deviation: NDArray[Any], mean: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Take one more day's mean of a slot into its profile.

    Parameters
    ----------
    level, deviation : float32[n], NaN before the first and the second day
    mean : float64[n], finite

    Returns
    -------
    level and deviation, float32[n]
    """
    old, usual = level.astype(np.float64), deviation.astype(np.float64)
    off = mean - old
    size = np.abs(off)
    limit = _CLIP * np.where(np.isnan(usual), size, usual)
    new = np.where(np.isnan(old), mean, old + _FOLLOW * np.clip(off, -limit, limit))
    grown = np.minimum(size, _GROWTH * usual + 0.05 * np.abs(old) + 1e-12)
    wider = np.where(np.isnan(usual), size, usual + _FOLLOW * (grown - usual))
    return new.astype(np.float32), wider.astype(np.float32)
