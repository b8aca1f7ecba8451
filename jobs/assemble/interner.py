"""Codes for strings that repeat: services, environments, routes, error categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from udfs.hashing import hash_strings

__all__ = ["Interner"]

I32 = npt.NDArray[np.int32]


class Interner:
    """Strings to codes and back. Code 0 is ''. Codes are local to this process: blobs carry the strings.

    Cost: one dictionary look-up per *distinct* string of a batch.
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {"": 0}
        self._array: pa.Array | None = None
        self._hashes = hash_strings(pa.array([""]))

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, strings: pa.Array) -> I32:
        """Code of each of the distinct strings, new ones are learned."""
        known = self._codes
        return np.array([known.setdefault(text, len(known)) for text in strings.to_pylist()], np.int32)  # distinct ones, not rows

    def array(self) -> pa.Array:
        """All strings, at their codes."""
        if self._array is None or len(self._array) != len(self._codes):
            self._array = pa.array(list(self._codes), pa.string())
        return self._array

    def hashes(self) -> npt.NDArray[np.uint64]:
        """Hash of each string, at its code: what may be stored, as codes may not."""
        known = len(self._hashes)
        if known != len(self._codes):
            self._hashes = np.concatenate([self._hashes, hash_strings(self.array().slice(known))])
        return self._hashes

    def text(self, code: int) -> str:
        """The string of one code."""
        return str(self.array()[code].as_py())

    def keep(self, used: npt.NDArray[Any]) -> I32:
        """Forget all codes but those marked in the boolean array; returns old code -> new code."""
        used[0] = True
        kept = np.flatnonzero(used)
        renumber = np.zeros(len(self), np.int32)
        renumber[kept] = np.arange(len(kept))
        self._codes = {text: code for code, text in enumerate(self.array().take(pa.array(kept)).to_pylist())}
        self._array = None
        self._hashes = self._hashes[:0]
        return renumber
