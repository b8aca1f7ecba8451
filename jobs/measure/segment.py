"""Segments of state: named arrays to bytes and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

_VERSION = 1


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """One blob (LZ4) of the arrays; about 1 ms per MB."""
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    head = json.dumps({"version": _VERSION, "size": len(body), "layout": layout}).encode()
    return head + b"\n" + (pa.compress(body, codec="lz4_raw", asbytes=True) if body else b"")


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """Read what `pack` wrote.

    Raises
    ------
    ValueError
        The state was written by another version: start without it.
    """
    head, _, rest = blob.partition(b"\n")
    meta = json.loads(head)
    if meta["version"] != _VERSION:
        raise ValueError(f"state of version {meta['version']}, this is version {_VERSION}")
    body = pa.decompress(rest, decompressed_size=meta["size"], codec="lz4_raw", asbytes=True) if meta["size"] else b""
    arrays: dict[str, NDArray[Any]] = {}
    offset = 0
    for name, kind, shape in meta["layout"]:
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape).copy()
        offset += count * dtype.itemsize
    return arrays
