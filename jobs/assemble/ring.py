"""A growing ring of records: what arrives last is appended, what is oldest is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Ring"]

I64 = npt.NDArray[np.int64]
Records = npt.NDArray[Any]


class Ring:
    """Records of one structured dtype at positions that only grow and stay valid until dropped.

    Cost: appending and taking copy each record once; when full, the ring doubles, which copies all of it.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._buffer: Records = np.zeros(1 << 10, dtype)
        self.begin = 0
        """Position of the oldest record."""
        self.end = 0
        """Position the next record will get."""

    def __len__(self) -> int:
        return self.end - self.begin

    def append(self, records: Records) -> int:
        """Append and return the position of the first."""
        first = self.end
        if len(self) + len(records) > len(self._buffer):
            self._resize(len(self) + len(records))
        place = first & (len(self._buffer) - 1)
        head = min(len(records), len(self._buffer) - place)
        self._buffer[place : place + head] = records[:head]
        self._buffer[: len(records) - head] = records[head:]
        self.end += len(records)
        return first

    def take(self, positions: I64) -> Records:
        """Copies of the records at these positions."""
        return self._buffer.take(positions & (len(self._buffer) - 1))

    def slice(self, begin: int, end: int) -> Records:
        """Copies of the records from begin to end (exclusive)."""
        return self.take(np.arange(begin, end))

    def put(self, field: str, begin: int, values: npt.NDArray[Any]) -> None:
        """Overwrite one field of the records from `begin` on."""
        self._buffer[field][np.arange(begin, begin + len(values)) & (len(self._buffer) - 1)] = values

    def drop_before(self, position: int) -> None:
        """Forget all records before this position; the memory shrinks when most of it is unused."""
        self.begin = max(self.begin, position)
        if len(self._buffer) > 1 << 14 and len(self) * 8 < len(self._buffer):
            self._resize(len(self) * 2)

    def _resize(self, records: int) -> None:
        size = 1 << max(10, int(records - 1).bit_length())
        kept = self.slice(self.begin, self.end)
        self._buffer = np.zeros(size, kept.dtype)
        self._buffer[np.arange(self.begin, self.end) & (size - 1)] = kept
