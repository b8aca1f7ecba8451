"""How far off the newest point of a series is, seen in four ways, each in units of what is usual for the series.

season: distance from the usual value at this time of day (from the level, while that is not known). step: distance from the points just
before. drift: how far the last half hour of points lies to one side. noise: how much the last points jump about.

Each is squared and averaged over the last few points, so that an incident counts as a whole and one odd point does not outweigh it. All
of it is running sums, a few numbers per series. The functions take one series (floats) or many (arrays): `baseline.py` follows one
series through time, `judgement.py` many at once, and both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DETECTORS", "Memory", "advance", "amend", "begin", "follow"]

DETECTORS = ("season", "step", "drift", "noise")

_STEP_SHARE = 0.3
"""Weight of the newest point in the level that a step is measured from: about five points."""
_DRIFT_SHARE = 1 / 30
"""The same for drift: about half an hour of minutes."""
_NOISE_SHARE = 1 / 8
_QUICK_SHARE = 0.4
_CALM_SHARE = 0.1
"""An incident is seen by the mean of its last 4 and its last 20 points: the first is quick, the second tells long from short."""
_MEMORY = 16_384
"""Points over which what is usual is forgotten: 11 days of minutes, two months of 5 minutes."""
_HEAD_START = 12
"""The spread of the warm-up counts as this many points."""
_CLIP = 100.0
"""A point counts at most as if it were this many times the usual: an incident does not become the norm."""
_GROWTH = 0.25
"""Nor does one in the first minutes of a series, when every point weighs much: one point raises the usual by this share at most."""
_RELATIVE_FLOOR = 0.002
"""Share of the size of the series below which no distance is usual: flat series jitter."""
_ABSOLUTE_FLOOR = 1e-12
_CEILING = 1e-3
"""Distances run towards 1 / this, without reaching it: a series that never moved has no usual distance to measure by."""
_PER_SPREAD = (0.8, 0.9, 0.25, 0.8)
"""What is usual for each detector, per standard deviation of independent noise."""


@dataclass(slots=True)
class Memory:
    """What is remembered of a series: floats, or arrays over series."""

    judged: Any
    """Points judged so far."""
    size: Any
    """Mean absolute value."""
    fast: Any
    """Distance of the last few points from the base, signed."""
    slow: Any
    """The same of the last half hour of points."""
    noise: Any
    """Mean absolute step of the last points."""
    usual: list[Any]
    """Mean distance, per detector."""
    energy: list[Any]
    """Mean squared distance in units of the usual, per detector: of the last few points, then of the last 20."""


def begin(base: Any, spread: Any) -> Memory:
    """Before the first point that is judged: nothing is known but its base and spread."""
    nothing = 0.0 * base
    usual = [share * spread for share in _PER_SPREAD]
    return Memory(nothing, abs(base), nothing, nothing, usual[3], usual, [nothing] * 8)


def advance(memory: Memory, value: Any, base: Any, floor: Any, maximum: Any, minimum: Any, root: Any) -> list[Any]:
    """Judge one point and remember it.

    Parameters
    ----------
    memory : is changed
    value, base : what was measured and what it is measured from, finite
    floor : standard deviation that chance alone gives, >= 0
    maximum, minimum, root : functions of floats or of arrays

    Returns
    -------
    Distance per detector, about 1 where all is as usual. Cost: about 3 us for floats, 0.3 us per series in arrays of thousands.
    """
    gain = maximum(1.0 / (memory.judged + _HEAD_START + 1.0), 1.0 / _MEMORY)
    clip = minimum(1.0 + _GROWTH / gain, _CLIP)
    distances = _step(memory, value - base)
    memory.size = memory.size + gain * (abs(value) - memory.size)
    memory.judged = memory.judged + 1.0
    excesses = []
    for k, distance in enumerate(distances):
        usual = maximum(maximum(memory.usual[k], _RELATIVE_FLOOR * memory.size), maximum(_PER_SPREAD[k] * floor, _ABSOLUTE_FLOOR))
        times = distance / (usual + _CEILING * distance)
        square = times * times
        quick, calm = memory.energy[2 * k], memory.energy[2 * k + 1]
        quick = quick + _QUICK_SHARE * (square - quick)
        calm = calm + _CALM_SHARE * (square - calm)
        memory.energy[2 * k], memory.energy[2 * k + 1] = quick, calm
        memory.usual[k] = memory.usual[k] + gain * (minimum(distance, clip * usual) - memory.usual[k])
        excesses.append(0.5 * (root(quick) + root(calm)))
    return excesses


def amend(memory: Memory, old: Any, new: Any, base: Any, floor: Any, age: Any) -> list[Any]:
    """Judge a point again whose value late data changed, and remember the new value in place of the old.

    Parameters
    ----------
    memory : arrays over series; is changed
    old, new, base, floor : float64[n]
    age : float64[n], points that came since. Of the newest (0) the judgement is what it would have been; of older ones it takes the
        memory as it is now.
    """
    before = Memory(memory.judged, memory.size, 0.0, 0.0, 0.0, memory.usual, memory.energy)
    was, now = old - base, new - base
    before.fast = (memory.fast - _STEP_SHARE * was) / (1 - _STEP_SHARE)
    before.slow = (memory.slow - _DRIFT_SHARE * was) / (1 - _DRIFT_SHARE)
    before.noise = np.maximum(memory.noise - _NOISE_SHARE * np.abs(was - before.fast), 0.0) / (1 - _NOISE_SHARE)
    other = Memory(memory.judged, memory.size, before.fast, before.slow, before.noise, [], [])
    gain = np.maximum(1.0 / (memory.judged - age + _HEAD_START), 1.0 / _MEMORY)
    clip = np.minimum(1.0 + _GROWTH / gain, _CLIP)
    excesses = []
    for k, (distance_was, distance) in enumerate(zip(_step(before, was), _step(other, now), strict=True)):
        learned = memory.usual[k]
        # what was usual before the old value: the larger of what gives this by its distance, and by the clip
        unlearned = np.maximum((learned - gain * distance_was) / (1.0 - gain), learned / (1.0 + (clip - 1.0) * gain))
        usual = np.maximum(np.maximum(unlearned, _RELATIVE_FLOOR * memory.size), np.maximum(_PER_SPREAD[k] * floor, _ABSOLUTE_FLOOR))
        more = (distance / (usual + _CEILING * distance)) ** 2 - (distance_was / (usual + _CEILING * distance_was)) ** 2
        quick, calm = memory.energy[2 * k], memory.energy[2 * k + 1]
        excesses.append(0.5 * sum(np.sqrt(np.maximum(e + w * more, 0.0)) for e, w in ((quick, _QUICK_SHARE), (calm, _CALM_SHARE))))
        memory.energy[2 * k] = np.maximum(quick + _QUICK_SHARE * (1 - _QUICK_SHARE) ** age * more, 0.0)
        memory.energy[2 * k + 1] = np.maximum(calm + _CALM_SHARE * (1 - _CALM_SHARE) ** age * more, 0.0)
        memory.usual[k] = unlearned + gain * (np.minimum(distance, clip * usual) - unlearned)
    memory.fast = memory.fast + _STEP_SHARE * (1 - _STEP_SHARE) ** age * (now - was)
    memory.slow = memory.slow + _DRIFT_SHARE * (1 - _DRIFT_SHARE) ** age * (now - was)
    return excesses


def _step(memory: Memory, residual: Any) -> tuple[Any, Any, Any, Any]:
    """Distances of a residual in the unit of the value; it joins the running means."""
    step = abs(residual - memory.fast)
    memory.slow = memory.slow + _DRIFT_SHARE * (residual - memory.slow)
    memory.noise = memory.noise + _NOISE_SHARE * (step - memory.noise)
    memory.fast = memory.fast + _STEP_SHARE * (residual - memory.fast)
    return abs(residual), step, abs(memory.slow), memory.noise


def follow(value: NDArray[Any], base: NDArray[Any], spread: NDArray[Any]) -> NDArray[Any]:
    """Distances of all points of one series, float64[n, 4]; a point without base or spread is passed over and gets NaN.

    Loops over points: what is usual depends on what was unusual before. About 4 us per point.
    """
    out = np.full((len(value), len(DETECTORS)), np.nan)
    known = np.flatnonzero(~np.isnan(base) & ~np.isnan(spread))
    if len(known):
        memory = begin(float(base[known[0]]), float(spread[known[0]]))
        pairs = zip(value[known].tolist(), base[known].tolist(), strict=True)
        out[known] = [advance(memory, v, b, 0.0, max, min, sqrt) for v, b in pairs]
    return out
