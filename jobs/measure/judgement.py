"""The detectors' memory of many series, as fields of their pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.measure.detectors import DETECTORS, Memory, advance, amend, begin
from jobs.measure.tails import BINS, count

__all__ = ["empty_memory", "judge", "rejudge"]

_K = len(DETECTORS)
_PLAIN = ("judged", "size", "fast", "slow", "noise")


def empty_memory(rows: int) -> dict[str, NDArray[Any]]:
    """Fields of fresh rows; 530 bytes per series."""
    return {
        "judged": np.zeros(rows),
        "size": np.zeros(rows),
        "fast": np.zeros(rows),
        "slow": np.zeros(rows),
        "noise": np.zeros(rows),
        "usual": np.zeros((rows, _K)),
        "energy": np.zeros((rows, 2 * _K)),
        "tails": np.zeros((rows, _K, BINS), np.float32),
        "counted": np.zeros(rows),
    }


def judge(
    fields: Mapping[str, NDArray[Any]],
    rows: NDArray[Any],
    value: NDArray[Any],
    base: NDArray[Any],
    spread: NDArray[Any],
    floor: NDArray[Any],
) -> NDArray[Any]:
    """Surprises of one new point of each series, float64[n, 4], which is then remembered; NaN where there is no base or spread yet.

    Parameters
    ----------
    fields : those of `empty_memory`, changed at `rows`
    rows : int64[n], distinct
    value, base, spread, floor : float64[n]
    """
    out = np.full((len(rows), _K), np.nan)
    known = np.flatnonzero(~np.isnan(base) & ~np.isnan(spread))
    if len(known):
        rows, value, base, floor = rows[known], value[known], base[known], floor[known]
        new = fields["judged"][rows] == 0
        _write(fields, rows[new], begin(base[new], spread[known][new]))
        memory = _read(fields, rows)
        excess = np.stack(advance(memory, value, base, floor, np.maximum, np.minimum, np.sqrt), axis=1)
        _write(fields, rows, memory)
        counts, total = fields["tails"][rows], fields["counted"][rows]
        out[known] = count(counts, total, excess)
        fields["tails"][rows], fields["counted"][rows] = counts, total
    return out


def rejudge(
    fields: Mapping[str, NDArray[Any]],
    rows: NDArray[Any],
    old: NDArray[Any],
    new: NDArray[Any],
    base: NDArray[Any],
    floor: NDArray[Any],
    age: NDArray[Any],
) -> NDArray[Any]:
    """Surprises of points judged before whose values changed, float64[n, 4]; see `detectors.amend`. The histograms stay as they are."""
    memory = _read(fields, rows)
    excess = np.stack(amend(memory, old, new, base, floor, age), axis=1)
    _write(fields, rows, memory)
    return count(fields["tails"][rows], fields["counted"][rows], excess, learn=False)


def _read(fields: Mapping[str, NDArray[Any]], rows: NDArray[Any]) -> Memory:
    judged, size, fast, slow, noise = (fields[name][rows] for name in _PLAIN)
    return Memory(judged, size, fast, slow, noise, list(fields["usual"][rows].T), list(fields["energy"][rows].T))


def _write(fields: Mapping[str, NDArray[Any]], rows: NDArray[Any], memory: Memory) -> None:
    for name in _PLAIN:
        fields[name][rows] = getattr(memory, name)
    fields["usual"][rows] = np.stack(memory.usual, axis=1)
    fields["energy"][rows] = np.stack(memory.energy, axis=1)
