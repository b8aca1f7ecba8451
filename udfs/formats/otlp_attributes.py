"""Attributes of OTLP records and resources: which mean something to us, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.json_values import read_texts
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.quantities import read_sizes, read_statuses
from udfs.formats.values.targets import read_targets

__all__ = [
    "ATTRIBUTES",
    "GRPC_KEYS",
    "RESOURCE_ATTRIBUTES",
    "Attributes",
    "JsonAttributes",
    "Resources",
    "attributes_of",
    "read_attributes",
    "value_of",
]

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "http_request_method": ("http.request.method", "http.method"),
    "url_path": ("url.path", "http.target", "url.full", "http.url"),
    "url_query": ("url.query",),
    "http_route": ("http.route",),
    "http_response_status_code": ("http.response.status_code", "http.status_code"),
    "http_response_body_size": ("http.response.body.size", "http.response_content_length", "http.response.size"),
    "client_address": ("client.address", "http.client_ip", "net.peer.ip", "net.sock.peer.addr", "network.peer.address"),
    "user_agent_original": ("user_agent.original", "http.user_agent"),
    "server_address": ("server.address", "http.host", "net.host.name"),
    "request_id": (
        "http.request.header.x-request-id",
        "http.request.header.x_request_id",
        "guid:x-request-id",
        "http.request_id",
        "request_id",
    ),
    "client_id": ("client.id", "client_id"),
    "user_id": ("user.id", "enduser.id"),
    "token_id": ("token.id", "token_id"),
}
"""Event column -> attributes, the first that is there counts."""

GRPC_KEYS = ("rpc.grpc.status_code", "rpc.response.status_code")
"""Attributes that tell the gRPC status of a span."""

RESOURCE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "service_name": ("service.name",),
    "environment": ("deployment.environment.name", "deployment.environment"),
    "k8s_pod_name": ("k8s.pod.name", "host.name"),
}


_WANTED = frozenset(key for keys in ATTRIBUTES.values() for key in keys) | frozenset(GRPC_KEYS)
_KEY, _VALUE = itemgetter("key"), itemgetter("value")
_STRING, _INTEGER = itemgetter("stringValue"), itemgetter("intValue")


class Attributes(Protocol):
    """Attributes of records, looked at one key at a time."""

    @property
    def present(self) -> frozenset[str]:
        """Keys that any record has."""
        ...

    def column(self, key: str) -> Sequence[Any] | pa.Array:
        """Values of one key, one per record; None where a record has it not. A string array where all are texts."""
        ...


class JsonAttributes:
    """Attributes as OTLP/JSON writes them: a list of `{"key": .., "value": {"stringValue": ..}}` per record.

    Only the keys that mean something to us are kept. Cost: 0.03 us a pair to tell its key, 0.1 us more for a pair that is wanted.
    """

    def __init__(self, lists: Sequence[object] = ()) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._count = 0
        if lists:
            self.add(lists)

    @property
    def present(self) -> frozenset[str]:
        """Wanted keys that any record has."""
        return frozenset(self._columns)

    def add(self, lists: Sequence[object]) -> None:
        """Append the attributes of more records."""
        plain: list[list[Any]] = [value if type(value) is list else [] for value in lists]
        try:
            shapes = list(map(tuple, map(map, repeat(_KEY), plain)))
            distinct = set(shapes)
        except (KeyError, TypeError):
            self._add_one_by_one(plain, range(len(plain)))
        else:
            if len(distinct) == 1:
                self._add_alike(plain, None, shapes[0])
            else:
                rows: dict[tuple[Any, ...], list[int]] = {}
                for row, shape in enumerate(shapes):
                    rows.setdefault(shape, []).append(row)
                for shape, chosen in rows.items():
                    self._add_alike([plain[row] for row in chosen], chosen, shape)
        self._count += len(plain)

    def _add_alike(self, lists: list[list[Any]], rows: Sequence[int] | None, shape: tuple[Any, ...]) -> None:
        """Records with the same keys in the same order; `rows` within what is being added, None = all."""
        try:
            # Of a key that is there twice the last counts.
            columns = {key: _values_of(list(map(_VALUE, map(itemgetter(at), lists)))) for at, key in enumerate(shape) if key in _WANTED}
        except (KeyError, TypeError):
            self._add_one_by_one(lists, range(len(lists)) if rows is None else rows)
            return
        for key, values in columns.items():
            column = self._filled(key)
            if rows is None:
                column.extend(values)
                continue
            column.extend(repeat(None, self._count + rows[-1] + 1 - len(column)))
            for row, value in zip(rows, values, strict=True):
                column[self._count + row] = value

    def _add_one_by_one(self, lists: list[list[Any]], rows: Sequence[int]) -> None:
        for pairs, row in zip(lists, rows, strict=True):
            for key, value in attributes_of(pairs).items():
                if key in _WANTED:
                    column = self._filled(key)
                    column.extend(repeat(None, self._count + row + 1 - len(column)))
                    column[self._count + row] = value

    def _filled(self, key: str) -> list[Any]:
        column = self._columns.setdefault(key, [])
        column.extend(repeat(None, self._count - len(column)))
        return column

    def column(self, key: str) -> list[Any]:
        """Values of one wanted key; None where a record has it not."""
        return self._filled(key)


def _values_of(values: list[dict[str, Any]]) -> list[Any]:
    """Plain values of AnyValues of one key, which mostly are of one kind."""
    try:
        return list(map(_STRING, values))
    except KeyError:
        pass
    if set(map(len, values)) == {1}:
        try:
            return list(map(int, map(_INTEGER, values)))
        except (KeyError, ValueError, OverflowError):
            pass
    return [value["stringValue"] if "stringValue" in value else value_of(value) for value in values]


def attributes_of(pairs: object) -> dict[str, Any]:
    """Key-value list of OTLP as a dict of plain values; what is no such list is left out.

    >>> attributes_of([{"key": "a", "value": {"stringValue": "x"}}, {"key": "b", "value": {"intValue": "7"}}])
    {'a': 'x', 'b': 7}
    """
    if not pairs or not isinstance(pairs, list):
        return {}
    try:
        return {p["key"]: v["stringValue"] if "stringValue" in (v := p["value"]) else value_of(v) for p in pairs}
    except (KeyError, TypeError):
        return {p["key"]: value_of(p.get("value")) for p in pairs if isinstance(p, dict) and isinstance(p.get("key"), str)}


def value_of(value: object) -> Any:
    """The plain value of an OTLP/JSON AnyValue."""
    if not isinstance(value, dict) or not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "intValue":
        try:
            return int(inner)
        except (TypeError, ValueError, OverflowError):
            return inner
    if kind == "arrayValue":
        return [value_of(v) for v in _list(inner, "values")]
    if kind == "kvlistValue":
        return attributes_of(_list(inner, "values"))
    return inner


def _list(value: object, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def read_attributes(parsed: Parsed, attributes: Attributes, original: Callable[[int], bytes | None]) -> dict[str, pa.Array]:
    """HTTP columns of records; an attribute no record has is left out.

    Parameters
    ----------
    original : gives the bytes of one record, for its dead letter
    """
    columns: dict[str, pa.Array] = {}
    for name, keys in ATTRIBUTES.items():
        found = [key for key in keys if key in attributes.present]
        if found:
            values = attributes.column(found[0])
            for key in found[1:]:
                values = _first_there(values, attributes.column(key))
            columns[name] = _read(parsed, name, values, original)
    if "url_path" in columns:
        target = read_targets(columns["url_path"])
        columns["url_path"] = target.path
        for name, part in (("url_query", target.query), ("server_address", target.host)):
            columns[name] = pc.coalesce(columns[name], part) if name in columns else part
    return columns


def _first_there(first: Sequence[Any] | pa.Array, second: Sequence[Any] | pa.Array) -> Sequence[Any] | pa.Array:
    if isinstance(first, pa.Array) and isinstance(second, pa.Array):
        return pc.coalesce(first, second)
    return [b if a is None else a for a, b in zip(_plain(first), _plain(second), strict=True)]


def _plain(values: Sequence[Any] | pa.Array) -> Sequence[Any]:
    return values.to_pylist() if isinstance(values, pa.Array) else values


def _read(parsed: Parsed, name: str, values: Sequence[Any] | pa.Array, original: Callable[[int], bytes | None]) -> pa.Array:
    if name == "http_response_status_code":
        values = _plain(values)
        array, bad = read_statuses(values)
        _refuse(parsed, bad, "invalid_status", values, original)
    elif name == "http_response_body_size":
        values = _plain(values)
        array, bad = read_sizes(values)
        _refuse(parsed, bad, "invalid_size", values, original)
    elif name == "client_address":
        array = read_addresses(read_texts(values))
    else:
        array = read_texts(values)
    return array


def _refuse(parsed: Parsed, bad: NDArray[Any] | None, reason: str, values: Sequence[Any], original: Callable[[int], bytes | None]) -> None:
    for row in np.flatnonzero(bad).tolist() if bad is not None else ():
        parsed.refused.setdefault(row, Refusal(reason, repr(values[row])[:200], original(row)))


class Resources:
    """Resource attributes of records: few resources, many records."""

    def __init__(self, attributes: list[dict[str, Any]], of_record: NDArray[Any]) -> None:
        self.attributes = attributes
        self.of_record = of_record

    def column(self, keys: tuple[str, ...], rows: NDArray[Any] | None = None) -> pa.Array:
        """The first of `keys` that is there, for each record."""
        values = read_texts([next((a[key] for key in keys if a.get(key) is not None), None) for a in self.attributes])
        return values.take(pa.array(self.of_record if rows is None else self.of_record[rows]))

    def fill(self, columns: dict[str, pa.Array]) -> None:
        """Add service, environment and pod."""
        for name, keys in RESOURCE_ATTRIBUTES.items():
            columns[name] = self.column(keys)
