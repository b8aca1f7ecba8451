"""JSON objects that are no access lines: spans of Zipkin and Jaeger, points of metrics, changes.

Each kind is told by its keys, of which there are few distinct sets in a batch; where keys alone do not tell, its reader hands back what is
not its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.formats.changes import CHANGE_SIGNATURES, read_changes
from udfs.formats.jaeger_json import JAEGER_SIGNATURES, read_jaeger
from udfs.formats.metric_objects import METRIC_SIGNATURES, read_metric_objects
from udfs.formats.parsed import Parsed
from udfs.formats.zipkin_json import ZIPKIN_SIGNATURES, read_zipkin

__all__ = ["take_others"]

Read = Callable[[list[dict[str, Any]], NDArray[Any]], tuple[list[Parsed], list[int]]]


class _Kind(NamedTuple):
    signatures: tuple[frozenset[str], ...]
    """An object is of this kind when all keys of one of these sets are there."""
    read: Read
    """Objects and their lines -> results, and the places of those that are of another kind after all."""


_KINDS = (
    _Kind(ZIPKIN_SIGNATURES, read_zipkin),
    _Kind(JAEGER_SIGNATURES, read_jaeger),
    _Kind(METRIC_SIGNATURES, read_metric_objects),
    _Kind(CHANGE_SIGNATURES, read_changes),
)
_ACCESS = frozenset(("method", "path", "uri", "url_path", "http_request_method", "httpMethod", "request_method", "span_id", "spanId"))
"""Keys that only requests and spans have."""


def take_others(objects: list[dict[str, Any]], line: NDArray[Any]) -> tuple[list[Parsed], list[dict[str, Any]], NDArray[Any]]:
    """Results of the objects that are no access lines; the others, with their lines.

    Cost: 0.1 us an object where there are none: one set of the distinct shapes.
    """
    shapes = list(map(tuple, objects))
    kinds = {shape: kind for shape in set(shapes) if (kind := _kind(frozenset(shape))) is not None}
    if not kinds:
        return [], objects, line
    results: list[Parsed] = []
    keep = np.ones(len(objects), bool)
    chosen: dict[int, list[int]] = {}
    for place, shape in enumerate(shapes):
        if shape in kinds:
            chosen.setdefault(kinds[shape], []).append(place)
    for number, places in chosen.items():
        found, left = _KINDS[number].read([objects[place] for place in places], line[places])
        results += found
        keep[places] = False
        keep[[places[each] for each in left]] = True
    return results, [objects[place] for place in np.flatnonzero(keep).tolist()], line[keep]


def _kind(keys: frozenset[str]) -> int | None:
    for number, kind in enumerate(_KINDS):
        if any(required <= keys for required in kind.signatures):
            is_request = number >= 2 and not _ACCESS.isdisjoint(keys)
            return None if is_request else number
    return None
