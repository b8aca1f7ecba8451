"""What is kept of each transaction beside its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["COMPLETE", "EVICTED", "MERGED", "OPEN", "QUIET", "SLOT", "TIMED_OUT", "Slots"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]

OPEN = -1
"""closed_ms of a transaction that is not closed."""
COMPLETE, TIMED_OUT, EVICTED, QUIET, MERGED = range(5)
"""Positions in CLOSURE_REASONS."""

SLOT = np.dtype(
    [
        ("key", "<u8"),  # transaction_hash
        ("high", "<u8"),  # transaction_id, first half
        ("low", "<u8"),
        ("serial", "<i8"),  # number of the transaction in this partition; -1 = free slot
        ("head", "<i8"),  # its newest touch, -1 = none
        ("first_ms", "<i8"),  # tick of its first event
        ("last_ms", "<i8"),  # tick of its last distinct event
        ("due_ms", "<i8"),
        ("closed_ms", "<i8"),
        ("lead_us", "<i8"),  # earliest start of an event
        ("type", "<u8"),  # hash of environment, service and route of the earliest event
        ("shape", "<u8"),  # sum of the hashes of the events' services and operations: the same bag of hops, the same shape
        ("services", "<u8"),  # a bit for each service that was seen
        ("owner_key", "<u8"),  # transaction_hash of the request this trace belongs to
        ("owner_high", "<u8"),
        ("owner_low", "<u8"),
        ("owner_us", "<i8"),  # start of the event that told so
        ("p_complete", "<f8"),
        ("duplicates", "<i4"),
        ("late", "<i4"),
        ("events", "<i4"),  # distinct events
        ("touches", "<i4"),  # ticks that brought distinct events
        ("moves", "<i4"),  # times its owner changed, or rows of it moved on, after it was closed
        ("moved", "<i4"),  # rows and repeats that moved on
        ("reason", "u1"),  # why it was, or will be, closed
        ("is_owned", "u1"),  # belongs to a request: its events are told there
        ("has_nodes", "u1"),
        ("is_whole", "u1"),
        ("is_frozen", "u1"),  # too large: later events are not kept and change nothing
        ("is_stale", "u1"),  # its events are older than anything that could still be remembered
    ],
    align=True,
)


class Slots:
    """A table of transactions with reused places."""

    def __init__(self) -> None:
        self.table: Records = np.zeros(1 << 10, SLOT)
        self.table["serial"] = -1
        self._free: I64 = np.arange(len(self.table) - 1, -1, -1)
        self._free_count = len(self.table)

    def __len__(self) -> int:
        return len(self.table) - self._free_count

    def put(self, records: Records) -> I64:
        """Store new transactions; returns their slots."""
        if len(records) > self._free_count:
            self._grow(len(records))
        slots = self._free[self._free_count - len(records) : self._free_count][::-1].copy()
        self._free_count -= len(records)
        self.table[slots] = records
        return slots

    def free(self, slots: I64) -> None:
        """Give slots back; each must be in use."""
        self.table["serial"][slots] = -1
        self._free[self._free_count : self._free_count + len(slots)] = slots
        self._free_count += len(slots)

    def _grow(self, extra: int) -> None:
        old = len(self.table)
        new = max(2 * old, old + extra)
        table = np.zeros(new, SLOT)
        table["serial"] = -1
        table[:old] = self.table
        self.table = table
        free = np.zeros(new, np.int64)
        free[: new - old] = np.arange(new - 1, old - 1, -1)
        free[new - old : new - old + self._free_count] = self._free[: self._free_count]
        self._free = free
        self._free_count += new - old
