"""JSON lines: one object a line, of any known dialect.

https://jsonlines.org, RFC 8259. The reader is `orjson` mapped over the lines: measured on 290-byte lines it costs 0.5 us a line, as
much as the columnar readers of polars and Arrow, and unlike them it judges each line alone (a bad line or an unexpected type touches
no other), so that the outcome cannot depend on how lines are batched. Columns are then cut out per dialect by C-level maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from udfs.formats.dialect import Dialect
from udfs.formats.dialects import DIALECTS
from udfs.formats.json_events import read_events
from udfs.formats.json_tree import Columns, keys_of
from udfs.formats.json_values import read_texts
from udfs.formats.other_objects import take_others
from udfs.formats.parsed import Parsed, Refusal

__all__ = ["DIALECTS", "load_lines", "read_json_lines", "read_objects", "read_texts"]

_CHUNK = 400
_WRAPPERS = frozenset({"records", "logEvents", "specversion"})
"""Keys of objects that hold others."""
_LINES = frozenset({"log", "message"})
_NO_LINES = frozenset({"http", "url", "method", "status", "request", "http_method", "status_code"})
"""A log shipper's object has the line under one of the former keys, and none of these (`udfs.formats.shipped`)."""
_REQUESTS = tuple(
    map(
        frozenset,
        (
            ("http_request_method",), ("method", "path"), ("method", "url"), ("method", "uri"), ("req", "res"), ("http", "url"),
            ("http.request.method",),
        ),
    )
)  # fmt: skip


def load_lines(lines: Sequence[bytes]) -> list[Any]:
    """The values of the lines; a `Refusal` where a line is no JSON.

    Cost: 0.5 us a line of 290 bytes; no Python is run per good line.
    """
    values: list[Any] = []
    rest = iter(lines)
    while True:
        try:
            values.extend(map(orjson.loads, rest))  # keeps what it has when a line raises
            return values
        except orjson.JSONDecodeError as error:
            values.append(Refusal("invalid_json", str(error)[:200]))


def read_json_lines(lines: Sequence[bytes], line: NDArray[Any], field_mapping: Mapping[str, str]) -> tuple[list[Parsed], list[int]]:
    """Events of lines that are surely requests, and the places of the lines that have to be looked at closely.

    Those may be no JSON, exports, envelopes or wrapped lines, or are neighbours of such a line. Lines are parsed and cut into columns
    a few hundred at a time: objects that stay in the processor's cache cost half as much.

    Parameters
    ----------
    line : int64[n], the input line of each
    field_mapping : a user's own keys -> targets, tried before the dialects' keys

    Cost: 1.5 us a line of 10 keys, 3 us one of 30 nested keys; 0.5 us more where dialects are mixed.
    """
    gathered = _Gathered(field_mapping)
    left: list[int] = []
    for start in range(0, len(lines), _CHUNK):
        chunk = lines[start : start + _CHUNK]
        places = range(start, start + len(chunk))
        try:
            objects = list(map(orjson.loads, chunk))
        except orjson.JSONDecodeError:
            left.extend(places)
            continue
        if set(map(type, objects)) != {dict} or not gathered.add(objects, places, requests_only=True):
            left.extend(places)
    return gathered.read(line), left


def read_objects(objects: list[dict[str, Any]], line: NDArray[Any], field_mapping: Mapping[str, str]) -> list[Parsed]:
    """Events of objects, one result per dialect found; as `read_json_lines` for objects that are already there."""
    results, objects, line = take_others(objects, line)
    gathered = _Gathered(field_mapping)
    if objects:
        gathered.add(objects, range(len(objects)))
    return results + gathered.read(line)


class _Gathered:
    """Columns per dialect."""

    def __init__(self, field_mapping: Mapping[str, str]) -> None:
        self._own = tuple(field_mapping.items())
        self._columns: dict[int, Columns] = {}
        self._rows: dict[int, list[int]] = {}

    def add(self, objects: list[dict[str, Any]], places: Sequence[int], requests_only: bool = False) -> bool:
        """Cut objects, of which there is at least one; `places` say which line each is. False = nothing done: not surely requests."""
        keys = keys_of(objects)
        # One set of keys: nothing to tell apart.
        if set(map(len, objects)) == {len(keys)}:
            known = frozenset(keys)
            if requests_only and not _is_request(known):
                return False
            self._add(_dialect_of(known), objects, keys, places)
            return True
        # Dialects are found per distinct tuple of keys, of which there are few; else per distinct set of keys.
        shapes = list(map(tuple, objects))
        distinct = {shape: frozenset(shape) for shape in set(shapes)}
        if requests_only and not all(map(_is_request, distinct.values())):
            return False
        found = {shape: _dialect_of(known) for shape, known in distinct.items()}
        rows: dict[int, list[int]] = {}
        for row, place in enumerate(map(found.__getitem__, shapes)):
            rows.setdefault(place, []).append(row)
        for place, chosen in rows.items():
            of_dialect = [objects[row] for row in chosen]
            self._add(place, of_dialect, keys_of(of_dialect), [places[row] for row in chosen])
        return True

    def _add(self, place: int, objects: list[dict[str, Any]], keys: set[str], places: Sequence[int]) -> None:
        if place not in self._columns:
            self._columns[place] = Columns(_with_own(DIALECTS[place], self._own))
        self._columns[place].add(objects, keys)
        self._rows.setdefault(place, []).extend(places)

    def read(self, line: NDArray[Any]) -> list[Parsed]:
        """Results in the order of the dialects."""
        return [read_events(self._columns[place], line[np.array(self._rows[place])]) for place in sorted(self._columns)]


@lru_cache(maxsize=8192)
def _dialect_of(keys: frozenset[str]) -> int:
    """Place of the dialect of an object with these keys."""
    return next(place for place, dialect in enumerate(DIALECTS) if dialect.matches(keys))


@lru_cache(maxsize=8192)
def _is_request(keys: frozenset[str]) -> bool:
    """Whether an object with these keys tells of a request, whatever its values are."""
    if not _WRAPPERS.isdisjoint(keys) or (not _LINES.isdisjoint(keys) and _NO_LINES.isdisjoint(keys)):
        return False
    return DIALECTS[_dialect_of(keys)].is_access or any(required <= keys for required in _REQUESTS)


@lru_cache(maxsize=256)
def _with_own(dialect: Dialect, own: tuple[tuple[str, str], ...]) -> Dialect:
    """The dialect with a user's own keys before its own."""
    return dialect.with_keys(dict(own)) if own else dialect
