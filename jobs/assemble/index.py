"""A vectorised hash table: 64-bit keys of transactions to their slots."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["KeyIndex"]

_EMPTY, _REMOVED = -1, -2
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Keys of one partition share their remainder: the product's high bits do not."""

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]


class KeyIndex:
    """Open addressing over two numpy arrays; every method takes many keys at once.

    Cost: about 50 ns a key; a growth rehashes everything, amortised over as many insertions.
    """

    def __init__(self) -> None:
        self._allocate(10)

    def __len__(self) -> int:
        return self._live

    def find(self, keys: U64) -> I64:
        """Slot of each key, -1 where it is not there."""
        found = np.full(len(keys), -1, np.int64)
        active = np.arange(len(keys))
        place = self._home(keys)
        while len(active):  # as often as the longest run of taken places, not per key
            slots = self._slots[place]
            hit = (slots >= 0) & (self._keys[place] == keys[active])
            found[active[hit]] = slots[hit]
            onward = ~hit & (slots != _EMPTY)
            active = active[onward]
            place = (place[onward] + 1) & self._mask
        return found

    def put(self, keys: U64, slots: I64) -> None:
        """Add keys: they must be distinct and not in the table; so must be the slots."""
        if (self._used + len(keys)) * 2 > len(self._slots):
            self._grow(len(keys))
        self._insert(keys, slots)
        self._live += len(keys)

    def remove(self, keys: U64) -> None:
        """Remove keys, which must be there."""
        active = np.arange(len(keys))
        place = self._home(keys)
        while len(active):
            hit = (self._slots[place] >= 0) & (self._keys[place] == keys[active])
            self._slots[place[hit]] = _REMOVED
            active = active[~hit]
            place = (place[~hit] + 1) & self._mask
        self._live -= len(keys)

    def _home(self, keys: U64) -> I64:
        return ((keys * _SPREAD) >> self._shift).astype(np.int64)

    def _insert(self, keys: U64, slots: I64) -> None:
        self._used += len(keys)
        place = self._home(keys)
        while len(keys):
            free = np.flatnonzero(self._slots[place] == _EMPTY)
            self._slots[place[free]] = slots[free]
            won = self._slots[place] == slots  # of several keys that wrote to one place, one is in it now
            self._keys[place[won]] = keys[won]
            lost = ~won
            keys, slots, place = keys[lost], slots[lost], (place[lost] + 1) & self._mask

    def _grow(self, extra: int) -> None:
        kept = self._slots >= 0
        keys, slots = self._keys[kept], self._slots[kept]
        self._allocate(max(10, int(np.ceil(np.log2((len(keys) + extra) * 3)))))
        self._insert(keys, slots)
        self._live = len(keys)

    def _allocate(self, bits: int) -> None:
        self._keys: U64 = np.zeros(1 << bits, np.uint64)
        self._slots: I64 = np.full(1 << bits, _EMPTY, np.int64)
        self._mask = (1 << bits) - 1
        self._shift = np.uint64(64 - bits)
        self._used = 0
        self._live = 0
