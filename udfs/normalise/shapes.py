"""How a line of text starts: a look at its first bytes leaves few formats to try."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Shape", "read_shapes"]

_WIDTH = 11


class Shape(IntEnum):
    """Kinds of beginnings."""

    OTHER = 0
    ISO_TIME = 1
    """'2026-03-12T'"""
    ISO_BLANK = 2
    """'2026-03-12 '"""
    ISO_TAB = 3
    """'2026-03-12' and a tab."""
    SLASHED = 4
    """'2026/03/12'"""
    BRACKET = 5
    """'['"""
    ANGLE = 6
    """'<'"""
    HASH = 7
    """'#'"""
    MONTH = 8
    """'Mar 12 10:'"""
    EPOCH = 9
    """'1776000000.' or ten digits and a tab."""


def read_shapes(texts: pa.Array) -> NDArray[Any]:
    """The shape of each text (int8[n]). Cost: 0.1 us a text."""
    n = len(texts)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + n + 1].astype(np.int64)
    data = np.frombuffer(texts.buffers()[2], np.uint8) if texts.buffers()[2] is not None else np.zeros(0, np.uint8)
    place = offsets[:-1, None] + np.arange(_WIDTH)
    inside = place < offsets[1:, None]
    heads = np.where(inside, data[np.minimum(place, max(len(data) - 1, 0))], 0) if len(data) else np.zeros((n, _WIDTH), np.uint8)
    shapes = np.zeros(n, np.int8)
    first = heads[:, 0]
    for byte, shape in ((b"[", Shape.BRACKET), (b"<", Shape.ANGLE), (b"#", Shape.HASH)):
        shapes[first == byte[0]] = shape
    digit = (heads >= ord("0")) & (heads <= ord("9"))
    year = digit[:, :4].all(axis=1) & digit[:, 5] & digit[:, 8]
    if year.any():
        dashed = year & (heads[:, 4] == ord("-")) & (heads[:, 7] == ord("-"))
        for byte, shape in ((b"T", Shape.ISO_TIME), (b" ", Shape.ISO_BLANK), (b"\t", Shape.ISO_TAB)):
            shapes[dashed & (heads[:, 10] == byte[0])] = shape
        shapes[year & (heads[:, 4] == ord("/")) & (heads[:, 7] == ord("/"))] = Shape.SLASHED
        shapes[digit[:, :10].all(axis=1) & np.isin(heads[:, 10], np.frombuffer(b".\t", np.uint8))] = Shape.EPOCH
    month = (heads[:, 3] == ord(" ")) & (heads[:, 6] == ord(" ")) & digit[:, 5] & (first >= ord("A")) & (first <= ord("Z"))
    if month.any():
        shapes[month & digit[:, 7]] = Shape.MONTH
    return shapes
