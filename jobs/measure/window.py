"""What was counted in one window, per entity; windows add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.measure.segment import pack, unpack
from schemas.event import ERROR_CATEGORIES

__all__ = ["COUNTS", "DURATION", "TRANSACTION_DURATION", "WindowCounts"]

COUNTS = ("request_count", *(f"error_count_{category}" for category in ERROR_CATEGORIES), "response_bytes")
"""Columns of `WindowCounts.counts`."""
DURATION, TRANSACTION_DURATION = 0, 1
"""The two histograms of an entity."""

_HISTOGRAMS = (("duration_buckets", "duration_counts"), ("transaction_buckets", "transaction_counts"))
_OFFSET = 1 << 15


@dataclass
class WindowCounts:
    """Counts of one window. Sorted by entity, each once; histograms sparse and sorted, too."""

    entities: NDArray[Any]
    """uint64[n]: entity hashes."""
    counts: NDArray[Any]
    """int64[n, len(COUNTS)]."""
    bucket_entities: NDArray[Any]
    """uint64[m]: entity of each filled bucket."""
    bucket_codes: NDArray[Any]
    """int32[m]: histogram (DURATION or TRANSACTION_DURATION) and bucket, see `codes`."""
    bucket_counts: NDArray[Any]
    """int64[m]."""

    @classmethod
    def of(cls, partials: pa.Table) -> WindowCounts:
        """Sum of the PARTIAL rows of one window."""
        entities = partials.column("entity_hash").to_numpy()
        counts = np.stack([partials.column(name).to_numpy() for name in COUNTS], axis=1)
        parts = [_explode(partials, histogram, entities) for histogram in (DURATION, TRANSACTION_DURATION)]
        owners, codes, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(*_sum_rows(entities, counts), *_sum_buckets(owners, codes, weights))

    def plus(self, other: WindowCounts) -> WindowCounts:
        """The sum of both. About 0.2 us per entity and bucket."""
        entities, counts = _sum_rows(np.concatenate([self.entities, other.entities]), np.concatenate([self.counts, other.counts]))
        buckets = _sum_buckets(
            np.concatenate([self.bucket_entities, other.bucket_entities]),
            np.concatenate([self.bucket_codes, other.bucket_codes]),
            np.concatenate([self.bucket_counts, other.bucket_counts]),
        )
        return WindowCounts(entities, counts, *buckets)

    def only(self, entities: NDArray[Any]) -> WindowCounts:
        """The part of these entities."""
        kept, buckets = np.isin(self.entities, entities), np.isin(self.bucket_entities, entities)
        return WindowCounts(
            self.entities[kept], self.counts[kept], self.bucket_entities[buckets], self.bucket_codes[buckets], self.bucket_counts[buckets]
        )

    def histogram(self, which: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Index into `entities`, bucket, and count of each filled bucket of one histogram."""
        chosen = (self.bucket_codes >> 16) == which
        buckets = (self.bucket_codes[chosen] & 0xFFFF) - _OFFSET
        return np.searchsorted(self.entities, self.bucket_entities[chosen]), buckets, self.bucket_counts[chosen]

    def to_bytes(self) -> bytes:
        """A segment of state."""
        return pack(vars(self))

    @classmethod
    def from_bytes(cls, blob: bytes) -> WindowCounts:
        """Read what `to_bytes` wrote."""
        return cls(**unpack(blob))


def _explode(partials: pa.Table, histogram: int, entities: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Entity, code and count of each entry of the lists."""
    buckets, counts = (partials.column(name).combine_chunks() for name in _HISTOGRAMS[histogram])
    lengths = buckets.value_lengths().fill_null(0).to_numpy()
    ids = buckets.flatten().to_numpy().astype(np.int32)
    return np.repeat(entities, lengths), (histogram << 16) + ids + _OFFSET, counts.flatten().to_numpy().astype(np.int64)


def _sum_rows(entities: NDArray[Any], counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    distinct, group = np.unique(entities, return_inverse=True)
    if len(distinct) == len(entities):
        ordered = np.empty_like(counts)
        ordered[group] = counts
        return distinct, ordered
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(distinct)))
    return distinct, np.add.reduceat(counts[order], starts, axis=0)


def _sum_buckets(owners: NDArray[Any], codes: NDArray[Any], counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    order = np.lexsort((codes, owners))
    owners, codes, counts = owners[order], codes[order].astype(np.int32), counts[order]
    if not len(order):
        return owners, codes, counts
    first = np.concatenate([[True], (np.diff(codes) != 0) | (owners[1:] != owners[:-1])])
    return owners[first], codes[first], np.add.reduceat(counts, np.flatnonzero(first))
