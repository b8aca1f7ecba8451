"""Objects of one dialect become events: columns read, requests taken apart, kinds told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.dialect import Dialect, fold_key
from udfs.formats.json_tree import Columns
from udfs.formats.json_values import not_texts, read_json_durations, read_json_sizes, read_json_statuses, read_json_times, read_texts
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.targets import read_request_lines, read_targets

__all__ = ["read_events"]

_UNITS_MS = {"duration_ms": 1.0, "duration_s": 1e3, "duration_us": 1e-3, "duration_ns": 1e-6}
_MILLISECOND_US = 1e-3
_KINDS = pa.array(["", "access", "span", "log"])
_SHORT_REQUEST = r"^(?P<method>[A-Z]{3,16}) (?P<target>[/*]\S*|https?://\S+)$"
_NULL = pa.scalar(None, pa.string())
_FORWARDED = ("forwardedfor", "xff")

_Leaf = tuple[str, str, list[Any]]
_Loose = list[tuple[NDArray[Any], str, Sequence[Any]]]


def read_events(objects: Columns, line: NDArray[Any]) -> Parsed:
    """Events of objects of one dialect; `line` is the input line of each."""
    parsed = Parsed(line)
    dialect = objects.dialect
    private: dict[str, Sequence[Any]] = {}
    loose: _Loose = []
    columns = parsed.columns
    for target, leaves in _by_target(objects.leaves()).items():
        if target.startswith("_"):
            private[target] = leaves[0][2]
            continue
        for path, form, values in leaves:
            array = _read_column(parsed, path, form, values, dialect, loose, columns.get(target))
            columns[target] = pc.coalesce(columns[target], array) if target in columns else array
            if not columns[target].null_count:
                break
    _read_request(parsed, dialect)
    _refuse_loose(parsed, loose)
    _fill_duration(parsed)
    if dialect.finish is not None:
        dialect.finish(parsed, private)
    columns["format"] = pa.repeat(pa.scalar(dialect.name), len(line))
    _fill_kind(parsed, dialect, len(line))
    return parsed


def _by_target(leaves: list[_Leaf]) -> dict[str, list[_Leaf]]:
    found: dict[str, list[_Leaf]] = {}
    for leaf in leaves:
        found.setdefault("duration_ms" if leaf[1] in _UNITS_MS else leaf[1], []).append(leaf)
    return found


def _read_column(
    parsed: Parsed, path: str, target: str, values: list[Any], dialect: Dialect, loose: _Loose, before: pa.Array | None
) -> pa.Array:
    """One key as its target; `before` is what earlier keys gave: where they did, a bad value here is of no account."""
    bad, reason = None, ""
    if target in ("timestamp", "end_time"):
        (array, bad), reason = read_json_times(values), "invalid_timestamp"
    elif target in _UNITS_MS:
        (array, bad), reason = read_json_durations(values, _UNITS_MS[target]), "invalid_duration"
    elif target == "http_response_status_code":
        (array, bad), reason = read_json_statuses(values), "invalid_status"
    elif target == "http_response_body_size":
        (array, bad), reason = read_json_sizes(values), "invalid_size"
    elif target == "client_address":
        texts = read_texts(values, keep_objects=False)
        if any(word in fold_key(path) for word in _FORWARDED):
            _fill(parsed.columns, "forwarded_for", texts)
        return read_addresses(texts)
    else:
        array = read_texts(values, keep_objects=target == "body")
        if target in ("http_request_method", "url_path"):
            bad, reason = not_texts(values), "invalid_method" if target == "http_request_method" else "invalid_path"
    counts = bad if bad is None or before is None else bad & before.is_null().to_numpy(zero_copy_only=False)
    if counts is not None and path in dialect.loose:
        loose.append((counts, reason, values))
    else:
        parsed.refuse(counts, reason, values)
    if bad is not None:
        array = pc.if_else(pa.array(bad), pa.scalar(None, array.type), array)
    return array


def _refuse_loose(parsed: Parsed, loose: _Loose) -> None:
    """What cannot be read under a key of many meanings matters on lines that tell of a request."""
    for bad, reason, values in loose:
        parsed.refuse(bad & _any_valid(parsed.columns, ("http_request_method", "url_path"), len(values)), reason, values)


def _read_request(parsed: Parsed, dialect: Dialect) -> None:
    """Request lines and targets with queries or hosts become method, path, query and host."""
    columns = parsed.columns
    if "url_query" in columns and pc.any(pc.starts_with(columns["url_query"], "?")).as_py():
        columns["url_query"] = pc.replace_substring_regex(columns["url_query"], r"^\?", "")
    if "url_path" in columns:
        target = read_targets(columns["url_path"])
        columns["url_path"] = target.path
        _fill(columns, "url_query", target.query)
        _fill(columns, "server_address", target.host)
    request = columns.pop("request", None)
    if request is None:
        return
    parts = read_request_lines(request)
    _fill(columns, "http_request_method", parts.method)
    _fill(columns, "url_path", parts.path)
    _fill(columns, "url_query", parts.query)
    _fill(columns, "server_address", parts.host)
    if not dialect.is_access and columns["http_request_method"].null_count:
        _read_short_requests(columns, request)
    if columns["url_path"].null_count:
        # Apache's '%U' under the name 'request': a path alone, beside its method.
        is_path = pc.and_(pc.starts_with(request, "/"), columns["http_request_method"].is_valid())
        target = read_targets(pc.if_else(pc.and_(is_path, columns["url_path"].is_null()), request, _NULL))
        _fill(columns, "url_path", target.path)
        _fill(columns, "url_query", target.query)


def _read_short_requests(columns: dict[str, pa.Array], request: pa.Array) -> None:
    """Requests without a protocol ('GET /path'), as applications write them; a server that logs one got a broken request."""
    parts = pc.extract_regex(request, _SHORT_REQUEST)
    method, target = (pc.if_else(parts.is_valid(), part, _NULL) for part in parts.flatten())
    split = read_targets(target)
    _fill(columns, "http_request_method", method)
    _fill(columns, "url_path", split.path)
    _fill(columns, "url_query", split.query)
    _fill(columns, "server_address", split.host)


def _fill(columns: dict[str, pa.Array], name: str, array: pa.Array) -> None:
    if array.null_count == len(array) and name in columns:
        return
    columns[name] = pc.coalesce(columns[name], array) if name in columns else array


def _fill_duration(parsed: Parsed) -> None:
    """The duration from start and end where none is logged."""
    columns = parsed.columns
    end = columns.pop("end_time", None)
    if end is None:
        return
    if "timestamp" not in columns:
        columns["timestamp"] = end
        return
    length = pc.subtract(end.cast(pa.int64()), columns["timestamp"].cast(pa.int64()))
    milliseconds = pc.multiply(length.cast(pa.float64()), _MILLISECOND_US)
    if "duration_ms" in columns:
        milliseconds = pc.coalesce(columns["duration_ms"], milliseconds)
    bad = pc.less(milliseconds, 0.0).fill_null(False).to_numpy(zero_copy_only=False)
    parsed.refuse(bad if bad.any() else None, "invalid_duration", milliseconds)
    columns["duration_ms"] = milliseconds
    columns["timestamp"] = pc.coalesce(columns["timestamp"], end)


def _fill_kind(parsed: Parsed, dialect: Dialect, n: int) -> None:
    """The kind of each row; rows that say nothing are refused.

    A request is told by its status and its method or path. Less is enough where there is no message: a message beside one of them is
    an application's log.
    """
    columns = parsed.columns
    if dialect.is_access:
        columns["kind"] = pa.repeat(pa.scalar("access"), n)
        return
    logged = columns.pop("kind", None)
    asked = _any_valid(columns, ("http_request_method", "url_path"), n)
    answered = _any_valid(columns, ("http_response_status_code",), n)
    said = _any_valid(columns, ("body",), n)
    access = (asked & answered) | ((asked | answered) & ~said)
    code = np.where(_span_mask(columns, n), 2, np.where(access, 1, np.where(said, 3, 0)))
    if logged is not None:
        given = pc.index_in(logged, _KINDS).fill_null(0).to_numpy(zero_copy_only=False)
        code = np.where(given > 0, given, code)
    parsed.refuse(code == 0, "unknown_format", ["no method, path, status, operation or message"] * n)
    columns["kind"] = pc.take(_KINDS, pa.array(code))


def _any_valid(columns: dict[str, pa.Array], names: tuple[str, ...], n: int) -> NDArray[Any]:
    found = np.zeros(n, bool)
    for name in names:
        if name in columns:
            if not columns[name].null_count:
                return np.ones(n, bool)
            found |= columns[name].is_valid().to_numpy(zero_copy_only=False)
    return found


def _span_mask(columns: dict[str, pa.Array], n: int) -> NDArray[Any]:
    """A span names itself and its parent or operation, and is no request line."""
    if "span_id" not in columns:
        return np.zeros(n, bool)
    named = _any_valid(columns, ("span_name", "span_kind", "parent_span_id"), n) & _any_valid(columns, ("span_id",), n)
    asked: NDArray[Any] = _any_valid(columns, ("http_request_method", "body"), n)
    return np.logical_and(named, ~asked)
