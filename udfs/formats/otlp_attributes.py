"""Attributes of OTLP records and resources: which mean something to us, and how they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.json_lines import read_texts
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.quantities import read_sizes, read_statuses
from udfs.formats.values.targets import read_targets

__all__ = ["ATTRIBUTES", "RESOURCE_ATTRIBUTES", "Resources", "attributes_of", "read_attributes"]

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


def attributes_of(pairs: object) -> dict[str, Any]:
    """Key-value list of OTLP as a dict of plain values; what is no such list is left out.

    >>> attributes_of([{"key": "a", "value": {"stringValue": "x"}}, {"key": "b", "value": {"intValue": "7"}}])
    {'a': 'x', 'b': 7}
    """
    if not pairs or not isinstance(pairs, list):
        return {}
    try:
        return {p["key"]: v["stringValue"] if "stringValue" in (v := p["value"]) else _value(v) for p in pairs}
    except (KeyError, TypeError):
        return {p["key"]: _value(p.get("value")) for p in pairs if isinstance(p, dict) and isinstance(p.get("key"), str)}


def _value(value: object) -> Any:
    if not isinstance(value, dict) or not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "intValue":
        try:
            return int(inner)
        except (TypeError, ValueError):
            return inner
    if kind == "arrayValue":
        return [_value(v) for v in _list(inner, "values")]
    if kind == "kvlistValue":
        return attributes_of(_list(inner, "values"))
    return inner


def _list(value: object, key: str) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, list) else []


def read_attributes(parsed: Parsed, attributes: list[dict[str, Any]], records: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """HTTP columns of records; a column no record has is left out.

    Cost: one pass over the keys, and one over the rows per attribute that occurs.
    """
    present: set[str] = set()
    for keys in set(map(tuple, attributes)):  # distinct sets of keys are few
        present.update(keys)
    columns: dict[str, pa.Array] = {}
    for name, keys in ATTRIBUTES.items():
        found = [key for key in keys if key in present]
        if found:
            values = [a.get(found[0]) for a in attributes]
            for key in found[1:]:
                values = [a.get(key) if v is None else v for v, a in zip(values, attributes, strict=True)]
            columns[name] = _read(parsed, name, values, records)
    if "url_path" in columns:
        target = read_targets(columns["url_path"])
        columns["url_path"] = target.path
        for name, part in (("url_query", target.query), ("server_address", target.host)):
            columns[name] = pa.compute.coalesce(columns[name], part) if name in columns else part
    return columns


def _read(parsed: Parsed, name: str, values: list[Any], records: list[dict[str, Any]]) -> pa.Array:
    if name == "http_response_status_code":
        array, bad = read_statuses(values)
        _refuse(parsed, bad, "invalid_status", values, records)
    elif name == "http_response_body_size":
        array, bad = read_sizes(values)
        _refuse(parsed, bad, "invalid_size", values, records)
    elif name == "client_address":
        array = read_addresses(read_texts(values))
    else:
        array = read_texts(values)
    return array


def _refuse(parsed: Parsed, bad: NDArray[Any] | None, reason: str, values: list[Any], records: list[dict[str, Any]]) -> None:
    for row in np.flatnonzero(bad).tolist() if bad is not None else ():
        parsed.refused.setdefault(row, Refusal(reason, repr(values[row])[:200], orjson.dumps(records[row])))


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
