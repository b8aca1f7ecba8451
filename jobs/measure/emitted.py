"""What was said of a window, kept while late data may amend it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from jobs.measure.baseline import BaselineColumns
from jobs.measure.metrics import WindowMetrics
from jobs.measure.segment import pack, unpack

__all__ = ["Emitted"]


@dataclass
class Emitted:
    """Points of one window, one row per series, sorted by series key."""

    keys: np.ndarray
    """uint64[n]."""
    entities: np.ndarray
    metrics: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    expected: np.ndarray
    spread: np.ndarray
    seasonal_expected: np.ndarray
    history_count: np.ndarray
    previous: np.ndarray
    revision: np.ndarray
    """int64[n]: of the point's last emission."""
    sequence: np.ndarray
    """int64[n]: position in the series' history; -1 = not in it."""

    @classmethod
    def of(cls, keys: np.ndarray, points: WindowMetrics, baseline: BaselineColumns, sequence: np.ndarray) -> Emitted:
        """Points as first emitted."""
        return cls(
            keys, points.entities, points.metrics, points.values, points.weights,
            baseline.expected, baseline.spread, baseline.seasonal_expected, baseline.history_count, baseline.previous,
            np.ones(len(keys), np.int64), sequence,
        )  # fmt: skip

    def rows(self, chosen: np.ndarray) -> Emitted:
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
