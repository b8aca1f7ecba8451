"""Columns of bytes, made without a loop over rows: fixed-width matrices, tables of texts, numbers, joins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["FRACTIONS", "THREE_DIGITS", "Bytes", "Ints", "filled", "hex_matrix", "join", "matrix_column", "number", "table", "time_matrix"]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
THREE_DIGITS = np.frombuffer("".join(f"{number:03d}" for number in range(1000)).encode(), np.uint8).reshape(1000, 3)
"""uint8[1000, 3]: a number's row is its three digits."""
FRACTIONS = pa.array([f".{number:03d}".encode() for number in range(1000)], pa.binary())
"""'.000' to '.999'."""
_EMPTY = b""


def hex_matrix(words: npt.NDArray[np.uint64]) -> Bytes:
    """uint64[n] or [n, k] -> ASCII hex digits uint8[n, 16 * k], most significant first."""
    octets = np.ascontiguousarray(words.reshape(len(words), -1).astype(">u8")).view(np.uint8)
    return _HEX[octets].view(np.uint8).reshape(len(words), -1)


def matrix_column(parts: list[bytes | Bytes], rows: int) -> pa.Array:
    """Put fixed texts and matrices of ASCII side by side: binary[rows] of one width."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    matrix = np.empty((rows, sum(widths)), np.uint8)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        matrix[:, at : at + width] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        at += width
    offsets = np.arange(rows + 1, dtype=np.int32) * sum(widths)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(matrix)])


def join(*columns: Any) -> pa.Array:
    """Put the columns (or scalars) together, row by row."""
    return pc.binary_join_element_wise(*columns, pa.scalar(_EMPTY, pa.binary()))


def table(texts: list[str]) -> pa.Array:
    """Texts to be taken by number."""
    return pa.array([text.encode() for text in texts], pa.binary())


def number(values: Ints) -> pa.Array:
    """Whole numbers as decimal text."""
    return pc.cast(pc.cast(pa.array(values), pa.string()), pa.binary())


def filled(column: pa.Array, where: npt.NDArray[np.bool_], rows: int) -> pa.Array:
    """Spread `column` over the rows `where`; '' elsewhere."""
    index = np.cumsum(where) - 1
    return pc.fill_null(column.take(pa.array(index, mask=~where)), _EMPTY) if len(column) else pa.array([_EMPTY] * rows, pa.binary())


def time_matrix(epoch_us: Ints) -> Bytes:
    """YYYY-MM-DDTHH:MM:SS.uuuuuu as uint8[n, 26]."""
    seconds, micros = np.divmod(epoch_us, 1_000_000)
    known, index = np.unique(seconds, return_inverse=True)
    texts = np.datetime_as_string(known.astype("datetime64[s]"), unit="s").astype("S19").view(np.uint8).reshape(-1, 19)
    matrix = np.empty((len(epoch_us), 26), np.uint8)
    matrix[:, :19] = texts[index]
    matrix[:, 19] = ord(".")
    matrix[:, 20:23] = THREE_DIGITS[micros // 1000]
    matrix[:, 23:26] = THREE_DIGITS[micros % 1000]
    return matrix
