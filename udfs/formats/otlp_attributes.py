"""Attributes of OTLP records and resources: which mean something to us, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

__all__ = ["ATTRIBUTES", "RESOURCE_ATTRIBUTES", "Attributes", "JsonAttributes", "Resources", "attributes_of", "read_attributes", "value_of"]

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

RESOURCE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "service_name": ("service.name",),
    "environment": ("deployment.environment.name", "deployment.environment"),
    "k8s_pod_name": ("k8s.pod.name", "host.name"),
}


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

    Cost: the pairs are cut apart by C-level maps, 0.15 us a pair; then one pass over its values per key that is asked for.
    """

    def __init__(self, lists: Sequence[object]) -> None:
        self._dicts = list(map(attributes_of, lists))
        # distinct sets of keys are few
        self.present = frozenset().union(*set(map(tuple, self._dicts)))

    def column(self, key: str) -> list[Any]:
        """Values of one key; None where a record has it not."""
        return [a.get(key) for a in self._dicts]


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
        except (TypeError, ValueError):
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
