"""The time-of-day profile: one robust running level per half hour, and what to expect between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLOTS", "SLOT_US", "between", "fold", "follow_profile"]

SLOTS = 48
"""Slots of a day (UTC)."""
SLOT_US = 86_400_000_000 // SLOTS

_FOLLOW = 0.3
"""Share of the distance that a level moves per day."""
_CLIP = 3.0
"""A day counts at most as if it were this many usual changes off: one bad day does not become the norm."""
_GROWTH = 4.0
"""The usual change grows this much at most per slot: a lasting change does become the norm, within about a week."""


def fold(level: Any, usual: Any, visits: Any, mean: Any, maximum: Any, minimum: Any) -> tuple[Any, Any]:
    """Take one more day's mean of a slot into its level.

    Parameters
    ----------
    level, mean : of the slot, finite
    usual, visits : how much a slot usually changes from day to day, and how often that was measured; one of each for all slots
    maximum, minimum : functions of floats or of arrays

    Returns
    -------
    The new level and the new usual change.
    """
    off = mean - level
    size = abs(off)
    first = size * (visits == 0)
    limit = maximum(_CLIP * usual, first)
    grown = minimum(size, maximum(_GROWTH * usual + 1e-12, first))
    gain = maximum(1.0 / (visits + 1.0), 1.0 / SLOTS)
    return level + _FOLLOW * maximum(-limit, minimum(off, limit)), usual + gain * (grown - usual)


def between(time_us: NDArray[Any], current: NDArray[Any], before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
    """The profile at a time, from the levels of its slot and of the two beside it; float64[n], NaN where its own is not known."""
    share = (time_us % SLOT_US) / SLOT_US - 0.5
    beside = np.where(share < 0, before, after)
    mixed = current + np.abs(share) * (beside - current)
    at: NDArray[Any] = np.where(np.isnan(beside), current, mixed)
    return at


def follow_profile(time_us: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    """The profile at each point of one series, as the streaming state would have it; loops over half hours, not over points."""
    if not len(value):
        return np.zeros(0)
    slot_of = time_us // SLOT_US
    run = np.concatenate([[0], np.cumsum(np.diff(slot_of) != 0)])
    first = np.flatnonzero(np.concatenate([[True], np.diff(run) > 0]))
    means = np.bincount(run, weights=value) / np.bincount(run)
    levels, usual, visits = np.full(SLOTS, np.nan, np.float32), 0.0, 0.0
    seen = np.empty((len(first), 3), np.float32)
    for i, (slot, mean) in enumerate(zip((slot_of[first] % SLOTS).tolist(), means.tolist(), strict=True)):
        seen[i] = levels[slot], levels[slot - 1], levels[(slot + 1) % SLOTS]
        if np.isnan(levels[slot]):
            levels[slot] = mean
        else:
            levels[slot], usual = fold(float(levels[slot]), usual, visits, mean, max, min)
            visits += 1.0
    known = seen.astype(np.float64)[run]
    return between(time_us, known[:, 0], known[:, 1], known[:, 2])
