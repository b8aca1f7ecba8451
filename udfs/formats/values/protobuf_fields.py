"""Fields of protobuf messages, without objects: many messages in one buffer are cut apart at once by array steps.

https://protobuf.dev/programming-guides/encoding/ (tags, varints, lengths). The protobuf library makes a Python object of every message,
which for spans and their attributes costs more than all the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["WireFields", "cut_texts", "fields_of", "varints"]

_LENGTH = 2  # wire type of strings, bytes and messages
_LOCKSTEPS, _FEW = 64, 16
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)


class WireFields:
    """All fields of many messages that lie in one buffer.

    Parameters
    ----------
    data : uint8[...], followed by at least 16 bytes of anything
    start, end : int64[n], where each message lies, ascending

    Cost: some 20 array steps per field that the longest message has, over the messages that have that many; 0.03 us a field.
    """

    def __init__(self, data: NDArray[Any], start: NDArray[Any], end: NDArray[Any]) -> None:
        self.data = data
        n = len(start)
        counts = np.zeros(n, np.int64)
        self.broken = np.zeros(n, bool)
        """bool[n]: no message; what was read of it so far is kept."""
        steps: list[tuple[NDArray[Any], ...]] = []
        rows, at, stop = np.flatnonzero(start < end), start[start < end], end[start < end]
        while len(rows):
            if len(steps) >= _LOCKSTEPS and len(rows) < _FEW:
                steps += self._one_by_one(rows, at, stop, counts)
                break
            tag, inner, following, fine = _next_fields(data, at, stop)
            if not fine.all():
                self.broken[rows[~fine]] = True
                rows, tag, inner, following, stop = rows[fine], tag[fine], inner[fine], following[fine], stop[fine]
            steps.append((rows, counts[rows], tag, inner, following))
            counts[rows] += 1
            more = following < stop
            rows, at, stop = (rows, following, stop) if more.all() else (rows[more], following[more], stop[more])
        first = np.cumsum(counts) - counts
        total = int(counts.sum())
        self.row = np.repeat(np.arange(n), counts)
        self.tag = np.empty(total, np.int64)
        self.start, self.end = np.empty(total, np.int64), np.empty(total, np.int64)
        for rows, turn, tag, inner, following in steps:
            place = first[rows] + turn
            self.tag[place], self.start[place], self.end[place] = tag, inner, following

    def _one_by_one(self, rows: NDArray[Any], at: NDArray[Any], stop: NDArray[Any], counts: NDArray[Any]) -> list[tuple[NDArray[Any], ...]]:
        """The rest of a few long messages: in steps of so few they would cost more."""
        steps: list[tuple[NDArray[Any], ...]] = []
        for row, begin, finish in zip(rows.tolist(), at.tolist(), stop.tolist(), strict=True):
            fields = fields_of(self.data[begin:finish].tobytes(), 0, finish - begin)
            if not fields:
                self.broken[row] = True
                continue
            tag, inner, following = np.array(fields, np.int64).T
            steps.append((np.full(len(fields), row), counts[row] + np.arange(len(fields)), tag, inner + begin, following + begin))
            counts[row] += len(fields)
        return steps

    def last(self, tag: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Rows that have the field, and where it lies; of one that comes twice the last counts."""
        found = np.flatnonzero(self.tag == tag)
        row = self.row[found]
        if len(row) > 1:
            keep = np.r_[row[1:] != row[:-1], True]
            found, row = found[keep], row[keep]
        return row, self.start[found], self.end[found]

    def fixed64(self, tag: int, n: int) -> NDArray[Any]:
        """uint64[n]; 0 where a message has it not."""
        row, start, _ = self.last(tag)
        column = np.zeros(n, np.uint64)
        column[row] = np.ndarray((len(self.data) - 7,), "<u8", self.data, strides=(1,))[start]
        return column

    def varint(self, tag: int, n: int) -> NDArray[Any]:
        """int64[n]; 0 where a message has it not."""
        row, start, _ = self.last(tag)
        column = np.zeros(n, np.int64)
        column[row] = varints(self.data, start)
        return column

    def texts(self, tag: int, n: int) -> pa.Array:
        """Strings; null where a message has it not."""
        row, start, end = self.last(tag)
        texts = cut_texts(self.data, start, end)
        if len(row) == n:
            return texts
        place = np.full(n, -1)
        place[row] = np.arange(len(row))
        return texts.take(pa.array(place, mask=place < 0))

    def ids(self, tag: int, size: int, n: int) -> tuple[pa.Array, NDArray[Any] | None]:
        """Hexadecimal texts of ids of `size` bytes; '' for none and for all zeros; bad[n] where the size differs."""
        row, start, end = self.last(tag)
        right = end - start == size
        matrix = np.zeros((n, size), np.uint8)
        matrix[row[right]] = self.data[start[right, None] + np.arange(size)]
        digits = _HEX[matrix].reshape(-1)
        offsets = np.arange(0, 2 * size * n + 1, 2 * size, dtype=np.int32)
        texts = pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(digits.view(np.uint8)))
        zeros = ~matrix.any(axis=1)
        bad = np.zeros(n, bool)
        bad[row[~right & (end > start)]] = True
        return pc.if_else(pa.array(zeros), "", texts) if zeros.any() else texts, bad if bad.any() else None


def _next_fields(data: NDArray[Any], at: NDArray[Any], stop: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Of the fields that begin at `at`: tags, where their values begin and end, and whether they are fields at all."""
    tag = data[at].astype(np.int64)
    inner = at + 1
    long = tag >= 0x80
    if long.any():
        second = data[inner].astype(np.int64)
        tag = np.where(long, tag & 0x7F | second << 7, tag)
        inner = inner + long
        long &= second >= 0x80
    kind = tag & 7
    length = np.array([0, 8, 0, -1, -1, 4, -1, -1])[kind]
    fine = (length >= 0) & ~long
    sized = np.flatnonzero((kind == _LENGTH) | (kind == 0))
    begin = inner[sized]
    size = data[begin].astype(np.int64)
    behind = begin + 1
    if (size >= 0x80).any():
        last = len(data) - 1
        more = size >= 0x80
        size &= 0x7F
        for byte in range(1, 10):
            part = data[np.minimum(behind, last)].astype(np.int64)
            size |= np.where(more, (part & 0x7F) << 7 * byte, 0)
            behind = behind + more
            more = more & (part >= 0x80)
            if not more.any():
                break
    is_sized = kind[sized] == _LENGTH
    inner = inner.copy()
    inner[sized] = np.where(is_sized, behind, begin)
    length[sized] = np.where(is_sized, size, behind - begin)
    following = inner + length
    fine &= (following <= stop) & (following > at) & (tag >= 8)
    return tag, inner, following, fine


def cut_texts(data: NDArray[Any], start: NDArray[Any], end: NDArray[Any]) -> pa.Array:
    """Strings at (start, end) of a buffer, in ascending order. The gaps between them are elements too, left out by the take: no loop."""
    n = len(start)
    if not n:
        return pa.array([], pa.string())
    offsets = np.empty(2 * n, np.int64)
    offsets[0::2], offsets[1::2] = start, end
    pieces = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2 * n - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    taken = pieces.take(pa.array(np.arange(0, 2 * n, 2)))
    try:
        return taken.cast(pa.large_string()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([text.decode(errors="replace") for text in taken.to_pylist()], pa.string())


def varints(data: NDArray[Any], start: NDArray[Any]) -> NDArray[Any]:
    """int64[n] of the varints that begin at `start`; loops over the bytes of the longest."""
    at, value = start, np.zeros(len(start), np.uint64)
    going = np.ones(len(start), bool)
    for byte in range(10):
        part = data[at]
        value |= np.where(going, part & 0x7F, 0).astype(np.uint64) << np.uint64(7 * byte)
        going &= part >= 0x80
        if not going.any():
            break
        at = np.minimum(at + 1, len(data) - 1)
    return value.view(np.int64)


def fields_of(data: bytes, at: int, end: int, at_most: int = 1 << 30) -> list[tuple[int, int, int]] | None:
    """(tag, start, end) of the fields in a message; None where it is no message. Stops after `at_most` fields."""
    fields: list[tuple[int, int, int]] = []
    while at < end and len(fields) < at_most:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        start = at
        if kind == _LENGTH:
            length, start = _varint(data, at, end)
            at = start + length
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        elif kind == 0:
            _, at = _varint(data, at, end)
        else:
            return None
        if at > end or tag < 8:
            return None
        fields.append((tag, start, at))
    return fields


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Value and the place behind it; a place behind `end` where it is cut off."""
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, end + 1
