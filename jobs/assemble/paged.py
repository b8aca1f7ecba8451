"""A table of what was learned, by hash: bounded, and kept as pages of which a tick rewrites those it touched."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.assemble.index import KeyIndex

__all__ = ["PREFIX", "PagedTable"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

PREFIX = "v2/learned/"
_PAGE = 1 << 8


class PagedTable:
    """Records with a field `key`, found by it; when it is full, the half that matters least goes.

    Parameters
    ----------
    name : of its pages
    dtype : has the fields `key` (uint64) and those the owner counts in
    limit : most records
    worth : how much a record matters
    """

    def __init__(self, name: str, dtype: np.dtype[Any], limit: int, worth: Callable[[Records], Records]) -> None:
        self._prefix = f"{PREFIX}{name}/"
        self._limit, self._worth = limit, worth
        self.rows: Records = np.zeros(1 << 8, dtype)
        self._count = 0
        self._index = KeyIndex()
        self._dirty: set[int] = set()
        self._pages = 0

    def load(self, segments: dict[str, bytes]) -> None:
        """Its pages among the segments."""
        blobs = [segments[name] for name in sorted(segments) if name.startswith(self._prefix)]
        if blobs:
            bodies = [pa.decompress(blob[8:], struct.unpack_from("<q", blob)[0], "lz4", asbytes=True) for blob in blobs]
            self._replace(np.concatenate([np.frombuffer(body, self.rows.dtype) for body in bodies]))
            self._pages, self._dirty = len(blobs), set()

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """Pages to put or delete since the last call."""
        for page in sorted(self._dirty):
            body = self.rows[page * _PAGE : min(self._count, (page + 1) * _PAGE)].tobytes()
            if body:
                yield f"{self._prefix}{page:06d}", struct.pack("<q", len(body)) + pa.compress(body, "lz4", asbytes=True)
        used = -(-self._count // _PAGE)
        for page in range(used, self._pages):
            yield f"{self._prefix}{page:06d}", None
        self._pages = used
        self._dirty.clear()

    def find(self, keys: U64) -> I64:
        """Place of each key in `rows`, -1 where it is not known."""
        return self._index.find(keys)

    def take(self, keys: U64) -> Records:
        """Copies of records; zeros for what is not known."""
        at = self.find(keys)
        taken: Records = self.rows[np.maximum(at, 0)]
        taken[at < 0] = np.zeros(1, self.rows.dtype)
        return taken

    def touch(self, keys: U64) -> I64:
        """Places of distinct keys, new ones are added; they are going to be changed. -1 where there is no room."""
        at = self.find(keys)
        new = np.flatnonzero(at < 0)
        if len(new):
            if self._count + len(new) > self._limit:
                self._forget_half()
                at = self.find(keys)
                new = np.flatnonzero(at < 0)
            at[new] = self._insert(keys[new])
        self._dirty.update(np.unique(at[at >= 0] // _PAGE).tolist())  # pages, not rows
        return at

    def _insert(self, keys: U64) -> I64:
        room = min(len(keys), self._limit - self._count)
        places = np.full(len(keys), -1, np.int64)
        places[:room] = np.arange(self._count, self._count + room)
        if self._count + room > len(self.rows):
            grown = np.zeros(max(2 * len(self.rows), self._count + room), self.rows.dtype)
            grown[: self._count] = self.rows[: self._count]
            self.rows = grown
        fresh = np.zeros(room, self.rows.dtype)
        fresh["key"] = keys[:room]
        self.rows[self._count : self._count + room] = fresh
        self._index.put(keys[:room], places[:room])
        self._count += room
        return places

    def _forget_half(self) -> None:
        rows = self.rows[: self._count]
        kept = np.sort(np.lexsort((rows["key"], -self._worth(rows)))[: self._count // 2])
        self._replace(rows[kept].copy())
        self._dirty = set(range(-(-self._count // _PAGE)))

    def _replace(self, rows: Records) -> None:
        self._count = len(rows)
        self.rows = np.zeros(max(1 << 8, len(rows)), self.rows.dtype)
        self.rows[: len(rows)] = rows
        self._index = KeyIndex()
        self._index.put(np.ascontiguousarray(rows["key"]), np.arange(len(rows)))
