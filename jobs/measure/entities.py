"""Names of entities by their hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from schemas.framing import from_payload, to_payload

__all__ = ["EntityNames"]

_COLUMNS = ("environment", "entity_kind", "entity")
_CHUNK = 512
_PREFIX = "entities/"
_SCHEMA = pa.schema([("entity_hash", pa.uint64()), *((name, pa.string()) for name in _COLUMNS)])


class EntityNames:
    """Environment, kind and name of each entity; append-only but for `keep`."""

    def __init__(self) -> None:
        self._table = _SCHEMA.empty_table()
        self._dirty: set[int] = set()
        self._families: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._index()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def add(self, partials: pa.Table) -> None:
        """Learn the entities of PARTIAL rows that are not known yet, in order of their hashes."""
        hashes, first = np.unique(partials.column("entity_hash").to_numpy(), return_index=True)
        new = first[~np.isin(hashes, self._hashes)]
        if len(new):
            size = len(self)
            rows = partials.select(_SCHEMA.names).take(pa.array(new)).cast(_SCHEMA)
            self._table = pa.concat_tables([self._table, rows]).combine_chunks()
            self._dirty.update(range(size // _CHUNK, (len(self) - 1) // _CHUNK + 1))
            self._index()

    def knows(self, hashes: NDArray[Any]) -> NDArray[Any]:
        """bool[n]: whether each entity is known."""
        found: NDArray[Any] = np.isin(hashes, self._hashes)
        return found

    def routes_of_services(self) -> dict[tuple[str, str], int]:
        """How many routes of each environment and service are known. Cost: one pass over all entities."""
        frame = pl.DataFrame(pl.from_arrow(self._table.select(_COLUMNS))).filter(pl.col("entity_kind") == "route")
        counts = frame.group_by("environment", pl.col("entity").str.split(" ").list.first().alias("service")).len()
        return {(environment, service): count for environment, service, count in counts.iter_rows()}

    def families(self, hashes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Numbers that siblings share, int64[n] each, -1 = not known: of the same kind and service, then of the same kind."""
        if not len(self):
            return np.full(len(hashes), -1), np.full(len(hashes), -1)
        if self._families is None:
            frame = pl.DataFrame(pl.from_arrow(self._table.select(_COLUMNS)))
            kind = frame["entity_kind"].rank("dense").to_numpy().astype(np.int64)
            service = frame.select(pl.concat_str("entity_kind", pl.col("entity").str.split(" ").list.first(), separator=" "))
            self._families = service.to_series().rank("dense").to_numpy().astype(np.int64), kind
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self) - 1)
        known, row = self._hashes[at] == hashes, self._order[at]
        near, far = self._families
        return np.where(known, near[row], -1), np.where(known, far[row], -1)

    def names(self, hashes: NDArray[Any]) -> list[pa.ChunkedArray]:
        """Columns environment, entity_kind and entity of the entities, all of which must be known."""
        rows = self._table.take(pa.array(self._order[np.searchsorted(self._hashes, hashes)]))
        return [rows.column(name) for name in _COLUMNS]

    def keep(self, hashes: NDArray[Any]) -> None:
        """Forget all but these."""
        kept = np.isin(self._table.column("entity_hash").to_numpy(), hashes)
        if not kept.all():
            self._dirty.update(range((len(self) - 1) // _CHUNK + 1))
            self._table = self._table.filter(pa.array(kept)).combine_chunks()
            self._index()

    def changes(self) -> dict[str, bytes | None]:
        """Chunks written or gone since the last call."""
        out: dict[str, bytes | None] = {}
        for chunk in sorted(self._dirty):
            rows = self._table.slice(chunk * _CHUNK, _CHUNK)
            out[f"{_PREFIX}{chunk:06d}"] = to_payload(rows) if rows.num_rows else None
        self._dirty.clear()
        return out

    @classmethod
    def restore(cls, segments: Mapping[str, bytes]) -> EntityNames:
        """From what `changes` gave."""
        names = cls()
        chunks = [from_payload(segments[name]) for name in sorted(segments) if name.startswith(_PREFIX)]
        if chunks:
            names._table = pa.concat_tables(chunks).combine_chunks()
            names._index()
        return names

    def _index(self) -> None:
        hashes = self._table.column("entity_hash").to_numpy()
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        self._families = None
