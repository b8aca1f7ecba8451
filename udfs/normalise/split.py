"""Kafka records into lines."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["Lines", "holds_any", "split_lines"]


class Lines(NamedTuple):
    """Lines of a batch of records, in order."""

    text: pa.Array
    """large_binary[n]: the bytes of each line without its end."""
    record: NDArray[Any]
    """int64[n]: row of the record each line came from, ascending."""


def split_lines(values: pa.Array, whole: NDArray[Any] | None = None) -> Lines:
    r"""Split at '\n' only; a '\r' before it belongs to the line end; a '\n' at the very end starts no line.

    Records that are null or have no bytes are heartbeats: no line. Those in `whole` (ascending rows) are one line as they are.

    Cost: no copy of what has one line a record and no '\r'; else one copy.
    """
    values = values.cast(pa.large_binary())
    if whole is not None and len(whole):
        return _with_whole(values, whole)
    lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)
    record = np.arange(len(values), dtype=np.int64)
    if not lengths.all():
        record = record[lengths > 0]
        values = values.take(pa.array(record))
    if _holds(values, b"\n"):
        trimmed = pc.if_else(pc.ends_with(values, b"\n"), pc.binary_slice(values, 0, -1), values)
        split = pc.split_pattern(trimmed, b"\n")
        record = np.repeat(record, pc.list_value_length(split).to_numpy(zero_copy_only=False))
        values = split.flatten()
    if _holds(values, b"\r"):
        values = pc.if_else(pc.ends_with(values, b"\r"), pc.binary_slice(values, 0, -1), values)
    return Lines(values, record)


def _with_whole(values: pa.Array, whole: NDArray[Any]) -> Lines:
    """Lines of the other records, and the whole ones between them."""
    if len(whole) == len(values):
        return Lines(values, whole)
    others = np.setdiff1d(np.arange(len(values)), whole, assume_unique=True)
    split = split_lines(values.take(pa.array(others)))
    record = np.r_[others[split.record], whole]
    order = np.argsort(record, kind="stable")
    text = pa.concat_arrays([split.text, values.take(pa.array(whole))]).take(pa.array(order))
    return Lines(text, record[order])


def _holds(values: pa.Array, byte: bytes) -> bool:
    """Whether any value holds the byte: one search through their common buffer, 0.01 us a value."""
    return byte in _bytes_of(values)


def holds_any(values: pa.Array, any_of: bytes) -> bool:
    """Whether any value (string or binary) holds any of some bytes: one pass over their common buffer, 1 ns a byte."""
    data = _bytes_of(values)
    return len(data.translate(None, any_of)) < len(data)


def _bytes_of(values: pa.Array) -> bytes:
    data = values.buffers()[2]
    if not len(values) or data is None:
        return b""
    is_large = pa.types.is_large_binary(values.type) or pa.types.is_large_string(values.type)
    offsets = np.frombuffer(values.buffers()[1], np.int64 if is_large else np.int32)
    start, stop = int(offsets[values.offset]), int(offsets[values.offset + len(values)])
    found: bytes = data.slice(start, stop - start).to_pybytes()
    return found
