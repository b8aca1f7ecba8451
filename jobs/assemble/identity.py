"""The 128-bit id of a transaction as two numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["hex_halves"]

U64 = npt.NDArray[np.uint64]

_NO_DIGIT = 255
_DIGIT = np.full(256, _NO_DIGIT, np.uint8)
_DIGIT[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def hex_halves(ids: pa.Array) -> tuple[U64, U64]:
    """High and low 64 bits of ids of 32 lower-case hex digits: the inverse of `hex_ids`.

    Raises
    ------
    ValueError
        An id is not 32 such digits: a fault of ours, since normalise makes them.
    """
    n = len(ids)
    if n == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + n + 1]
    if ids.null_count or (np.diff(offsets) != 32).any():
        raise ValueError("a transaction_id is not 32 hex digits")
    digits = _DIGIT[np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]]
    if (digits == _NO_DIGIT).any():
        raise ValueError("a transaction_id is not 32 hex digits")
    pairs = digits.reshape(n, 16, 2)
    halves = (pairs[:, :, 0] << 4 | pairs[:, :, 1]).view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]
