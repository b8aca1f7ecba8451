"""JSON lines: one object a line, of any known dialect.

https://jsonlines.org, RFC 8259. The reader is `orjson` mapped over the lines: measured on 290-byte lines it costs 0.5 us a line, as
much as the columnar readers of polars and Arrow, and unlike them it judges each line alone (a bad line or an unexpected type touches
no other), so that the outcome cannot depend on how lines are batched. Columns are then cut out per dialect by C-level maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from udfs.formats.otlp import Exports, is_sure_export
from udfs.formats.parsed import Parsed, Refusal

__all__ = ["DIALECTS", "load_lines", "read_json_lines", "read_objects", "read_texts"]

_CHUNK, _CHUNK_BYTES = 400, 1 << 18
_NOT_SURE = -1
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
    """Events of lines that are surely requests or OTLP exports, and the places of the lines that have to be looked at closely.

    Those may be no JSON, envelopes or wrapped lines. Lines are parsed and cut into columns a few hundred at a time: objects that
    stay in the processor's cache cost half as much.

    Parameters
    ----------
    line : int64[n], the input line of each
    field_mapping : a user's own keys -> targets, tried before the dialects' keys

    Cost: 1.5 us a line of 10 keys, 3 us one of 30 nested keys; 0.5 us more where dialects are mixed.
    """
    gathered = _Gathered(field_mapping)
    exports = Exports()
    of_export: list[int] = []
    left: list[int] = []
    step = min(_CHUNK, max(1, _CHUNK_BYTES * len(lines) // (sum(map(len, lines)) + 1)))
    for start in range(0, len(lines), step):
        chunk = lines[start : start + step]
        places: Sequence[int] = range(start, start + len(chunk))
        try:
            objects = list(map(orjson.loads, chunk))
        except orjson.JSONDecodeError:
            objects = load_lines(chunk)
        if set(map(type, objects)) != {dict}:
            left.extend(place for place, value in zip(places, objects, strict=True) if type(value) is not dict)
            places = [place for place, value in zip(places, objects, strict=True) if type(value) is dict]
            objects = [value for value in objects if type(value) is dict]
        # What is no request may be an export: its spans are taken at once, too.
        unsure = gathered.add(objects, places, requests_only=True) if objects else []
        sure = [row for row in unsure if is_sure_export(objects[row])]
        if len(sure) < len(unsure):
            left.extend(places[row] for row in unsure if not is_sure_export(objects[row]))
        if sure:
            numbers = range(len(of_export), len(of_export) + len(sure))
            exports.add([objects[row] for row in sure], numbers, _again(chunk, [places[row] - start for row in sure]))
            of_export.extend(places[row] for row in sure)
        del objects
    left.sort()
    return exports.read(line[np.array(of_export, np.int64)]) + gathered.read(line), left


def _again(chunk: Sequence[bytes], rows: list[int]) -> Callable[[int], Any]:
    """What parses one of these lines of the chunk once more."""
    return lambda place: orjson.loads(chunk[rows[place]])


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

    def add(self, objects: list[dict[str, Any]], places: Sequence[int], requests_only: bool = False) -> list[int]:
        """Cut objects, of which there is at least one; `places` say which line each is.

        Returns
        -------
        Rows of the objects that were left out as they are not surely requests.
        """
        keys = keys_of(objects)
        # One set of keys: nothing to tell apart.
        if set(map(len, objects)) == {len(keys)}:
            known = frozenset(keys)
            if requests_only and not _is_request(known):
                return list(range(len(objects)))
            self._add(_dialect_of(known), objects, keys, places)
            return []
        # Dialects are found per distinct tuple of keys, of which there are few; else per distinct set of keys.
        shapes = list(map(tuple, objects))
        found = {shape: _place_of(shape, requests_only) for shape in set(shapes)}
        if len(set(found.values())) == 1 and _NOT_SURE not in found.values():
            self._add(next(iter(found.values())), objects, keys, places)
            return []
        rows: dict[int, list[int]] = {}
        for row, place in enumerate(map(found.__getitem__, shapes)):
            rows.setdefault(place, []).append(row)
        left = rows.pop(_NOT_SURE, [])
        for place, chosen in rows.items():
            of_dialect = [objects[row] for row in chosen]
            self._add(place, of_dialect, keys_of(of_dialect), [places[row] for row in chosen])
        return left

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


@lru_cache(maxsize=8192)
def _place_of(shape: tuple[str, ...], requests_only: bool) -> int:
    """Place of the dialect of an object with these keys, in this order; `_NOT_SURE` where only requests count and it may be none."""
    known = frozenset(shape)
    return _NOT_SURE if requests_only and not _is_request(known) else _dialect_of(known)


@lru_cache(maxsize=256)
def _with_own(dialect: Dialect, own: tuple[tuple[str, str], ...]) -> Dialect:
    """The dialect with a user's own keys before its own."""
    return dialect.with_keys(dict(own)) if own else dialect
