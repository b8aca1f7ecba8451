"""What was said of a window, kept while late data may amend it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.measure.baseline import BaselineColumns
from jobs.measure.detectors import DETECTORS
from jobs.measure.metrics import WindowMetrics
from jobs.measure.segment import pack, unpack

__all__ = ["Emitted"]


@dataclass
class Emitted:
    """Points of one window, one row per series, sorted by series key."""

    keys: NDArray[Any]
    """uint64[n]."""
    entities: NDArray[Any]
    metrics: NDArray[Any]
    values: NDArray[Any]
    weights: NDArray[Any]
    expected: NDArray[Any]
    spread: NDArray[Any]
    seasonal_expected: NDArray[Any]
    history_count: NDArray[Any]
    previous: NDArray[Any]
    surprises: NDArray[Any]
    """float64[n, 4]: per detector."""
    revision: NDArray[Any]
    """int64[n]: of the point's last emission."""
    sequence: NDArray[Any]
    """int64[n]: position in the series' history; -1 = not in it."""

    @classmethod
    def of(cls, keys: NDArray[Any], points: WindowMetrics, baseline: BaselineColumns, sequence: NDArray[Any]) -> Emitted:
        """Points as first emitted."""
        return cls(
            keys, points.entities, points.metrics, points.values, points.weights,
            baseline.expected, baseline.spread, baseline.seasonal_expected, baseline.history_count, baseline.previous,
            np.stack([getattr(baseline, f"{name}_surprise") for name in DETECTORS], axis=1),
            np.ones(len(keys), np.int64), sequence,
        )  # fmt: skip

    def rows(self, chosen: NDArray[Any]) -> Emitted:
        """Some of the rows, by mask or index."""
        return Emitted(**{name: column[chosen] for name, column in vars(self).items()})

    def plus(self, other: Emitted) -> Emitted:
        """Both, of which no series may be in both."""
        both = Emitted(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))
        return both.rows(np.argsort(both.keys))

    def to_bytes(self) -> bytes:
        """A segment of state."""
        return pack(vars(self))

    @classmethod
    def from_bytes(cls, blob: bytes) -> Emitted:
        """Read what `to_bytes` wrote."""
        return cls(**unpack(blob))
