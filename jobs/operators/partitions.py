"""Key partitions: how rows are split over them, and the key labels that spread evenly over Flink's key groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

__all__ = ["MAX_PARALLELISM", "PARTITIONS", "partition_labels", "split_by_partition"]

PARTITIONS = 4
"""Key partitions of assemble and measure. Fixed: it is part of the state's layout. Parallelism may be any divisor of it."""
MAX_PARALLELISM = 128
"""Flink key groups; fixed for the same reason."""

_MASK = 0xFFFFFFFF
_ROW_HASH = 62
"""Java hash of a one-field Row of an integer k is k + 62; PyFlink keys are such rows."""


def partition_labels(partitions: int = PARTITIONS, max_parallelism: int = MAX_PARALLELISM) -> list[int]:
    """One integer key per partition, chosen so that partition p lands in key group p * max_parallelism / partitions.

    Flink hashes keys into key groups; plain keys 0..3 could all land on one subtask.
    """
    wanted = {p * max_parallelism // partitions: p for p in range(partitions)}
    labels = [-1] * partitions
    candidate = 0
    while -1 in labels:
        partition = wanted.get(_murmur(candidate + _ROW_HASH) % max_parallelism, -1)
        if partition >= 0 and labels[partition] < 0:
            labels[partition] = candidate
        candidate += 1
    return labels


def split_by_partition(table: pa.Table, hashes: str, partitions: int = PARTITIONS) -> Iterator[tuple[int, pa.Table]]:
    """Rows by `hash % partitions`, in their order; partitions without rows are left out.

    Cost: one stable sort of n small integers and one copy of the table.
    """
    if not table.num_rows:
        return
    if partitions == 1:
        yield 0, table
        return
    of = (table.column(hashes).to_numpy() % np.uint64(partitions)).astype(np.int8)
    order = np.argsort(of, kind="stable")
    ordered = table.take(pa.array(order))
    ends = np.searchsorted(of[order], np.arange(partitions + 1))
    for partition in range(partitions):
        if ends[partition + 1] > ends[partition]:
            yield partition, ordered.slice(ends[partition], ends[partition + 1] - ends[partition])


def _murmur(code: int) -> int:
    """Flink's MathUtils.murmurHash."""
    code = (code * 0xCC9E2D51) & _MASK
    code = _rotate(code, 15)
    code = (code * 0x1B873593) & _MASK
    code = _rotate(code, 13)
    code = (code * 5 + 0xE6546B64) & _MASK
    code ^= 4
    code ^= code >> 16
    code = (code * 0x85EBCA6B) & _MASK
    code ^= code >> 13
    code = (code * 0xC2B2AE35) & _MASK
    code ^= code >> 16
    signed = code - (1 << 32) if code >> 31 else code
    return abs(signed) if signed != -(1 << 31) else 0


def _rotate(value: int, by: int) -> int:
    return ((value << by) | (value >> (32 - by))) & _MASK
