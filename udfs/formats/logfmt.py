r"""Lines of key=value pairs: logfmt, as Go and Ruby services, Heroku's router, lograge, Grafana and Loki write it.

https://brandur.org/logfmt, https://pkg.go.dev/github.com/kr/logfmt (values with blanks are quoted, `\"` within them),
https://devcenter.heroku.com/articles/http-routing#heroku-router-log-format (`service` is the time in ms, `fwd` the caller),
https://github.com/roidrage/lograge (`duration` in ms). Keys mean what they mean in JSON lines (`udfs.formats.plain_json`); words before the
first pair are passed over, but a time at the start is the line's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.cuts import Pieces, holds_byte, logged, matches, where
from udfs.formats.parsed import Parsed
from udfs.formats.plain_json import PLAIN_JSON
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.quantities import read_duration_texts, read_size_texts, read_status_texts
from udfs.formats.values.targets import read_request_lines, read_targets
from udfs.formats.values.times import read_time_texts

__all__ = ["looks_like", "parse"]

_HINT = r"^[A-Za-z_@][\w.@-]*=|[ \t](?:method|path|uri|url|status|msg|message|level)=[^ ]"
_LEADING_TIME = r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)[ \t].*$"
_UNITS_MS = {"duration_ms": 1.0, "duration_s": 1e3, "duration_us": 1e-3, "duration_ns": 1e-6}
_KEYS = {
    **PLAIN_JSON.keys,
    "t": "timestamp",
    "lvl": "severity_text",
    "ua": "user_agent_original",
    "agent": "user_agent_original",
    "fwd": "client_address",
    "remote": "client_address",
    "addr": "client_address",
    "size": "http_response_body_size",
    "time_ms": "duration_ms",
    "resp_time": "duration_ms",
    "code": "error_reason",
    "dyno": "k8s_pod_name",
    "reqid": "request_id",
    "traceid": "trace_id",
    "org_user": "user_id",
    "uname": "user_id",
}
_ASKED = ("http_request_method", "url_path", "http_response_status_code", "http_route")


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with a key, or has a pair that tells of a request or a message."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Events of lines, and which lines (bool[n]) were of the format at all: they tell of a request, or have a message.

    Cost: 3-4 us a line of a dozen pairs.
    """
    found = _targets(lines)
    n = len(lines)
    asked = sum(
        (found[name].is_valid().to_numpy(zero_copy_only=False).astype(np.int8) for name in _ASKED if name in found), np.zeros(n, np.int8)
    )
    is_access = asked >= 2
    said = _valid(found, "body", n) & (_valid(found, "timestamp", n) | _valid(found, "severity_text", n))
    taken: NDArray[Any] = is_access | said
    if not taken.all():
        keep = pa.array(taken)
        found = {name: array.filter(keep) for name, array in found.items()}
        lines, index, is_access = lines.filter(keep), index[taken], is_access[taken]
    return _read(found, lines, index, is_access), taken


def _valid(found: dict[str, pa.Array], name: str, n: int) -> NDArray[Any]:
    if name not in found:
        return np.zeros(n, bool)
    result: NDArray[Any] = found[name].is_valid().to_numpy(zero_copy_only=False)
    return result


def _tokens(lines: pa.Array) -> tuple[pa.Array, NDArray[Any]]:
    """Words of all lines, cut at blanks outside quotes (string[m]), and the line of each (int64[m])."""
    n = len(lines)
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + n + 1]
    data = np.frombuffer(lines.buffers()[2], np.uint8)
    begin, end = int(offsets[0]), int(offsets[-1])
    part = data[begin:end]
    starts = offsets[:-1].astype(np.int64) - begin
    quotes = np.flatnonzero(part == ord('"'))
    quotes = quotes[(quotes == 0) | (part[quotes - 1] != ord("\\"))]
    blanks = np.flatnonzero(part == ord(" "))
    of_line = np.searchsorted(starts, blanks, "right") - 1
    before = np.searchsorted(quotes, blanks) - np.searchsorted(quotes, starts)[of_line]
    cuts = np.concatenate([starts, blanks[(before & 1) == 0] + 1])
    cuts.sort(kind="stable")  # two sorted runs: a merge
    cuts = cuts[np.r_[True, cuts[1:] != cuts[:-1]] & (cuts < len(part))]
    bounds = np.append(cuts, len(part)).astype(np.int32) + begin
    words = pa.StringArray.from_buffers(len(cuts), pa.py_buffer(bounds), lines.buffers()[2])
    return pc.utf8_rtrim(words, " "), np.searchsorted(starts, cuts, "right") - 1


def _targets(lines: pa.Array) -> dict[str, pa.Array]:
    """Texts by target; of several keys with one target the first of the table that holds something counts."""
    n = len(lines)
    words, line = _tokens(lines)
    pairs = Pieces(words, "=", 1)
    keys, values = pairs.at(0).dictionary_encode(), pairs.at(1)
    code = np.where(pairs.count == 2, keys.indices.to_numpy(zero_copy_only=False), -1)
    names = {name: place for place, name in enumerate(keys.dictionary.to_pylist())}
    found: dict[str, pa.Array] = {}
    for key, target in _KEYS.items():
        place = names.get(key)
        if place is None:
            continue
        at = np.flatnonzero(code == place)
        if not len(at):
            continue
        of_line = np.full(n, -1, np.int64)
        of_line[line[at[::-1]]] = at[::-1]  # the first of a repeated key stays
        texts = logged(_unquoted(values.take(pa.array(of_line, mask=of_line < 0))))
        if target in _UNITS_MS:
            target, texts = "duration", _with_unit(texts, target)
        found[target] = pc.coalesce(found[target], texts) if target in found else texts
    return _router(found)


def _with_unit(texts: pa.Array, target: str) -> pa.Array:
    """Bare numbers get the unit that their key names."""
    if target == "duration_ms":
        return texts
    bare = matches(texts, r"^[0-9.eE+-]+$")
    return pc.if_else(pa.array(bare), pc.binary_join_element_wise(texts, target[len("duration_") :], ""), texts)


def _router(found: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """Heroku's router writes its time as `service=18ms`."""
    if "service_name" in found:
        times = matches(found["service_name"], r"^\d+ms$")
        if times.any():
            spent = where(times, found["service_name"])
            found["duration"] = pc.coalesce(found["duration"], spent) if "duration" in found else spent
            found["service_name"] = where(~times, found["service_name"])
    return found


def _unquoted(texts: pa.Array) -> pa.Array:
    quoted = pc.starts_with(texts, '"')
    if not pc.any(quoted).as_py():
        return texts
    bare = pc.utf8_trim(texts, '"')
    if holds_byte(bare, b"\\"):
        bare = pc.replace_substring_regex(pc.replace_substring_regex(bare, r"\\$", ""), r"\\([\"\\])", r"\1")
    return pc.if_else(quoted, bare, texts)


def _read(found: dict[str, pa.Array], lines: pa.Array, index: NDArray[Any], is_access: NDArray[Any]) -> Parsed:
    parsed = Parsed(index)
    columns = parsed.columns
    n = len(index)
    for name in ("http_response_status_code", "http_response_body_size", "duration", "timestamp"):
        texts = found.pop(name, None)
        if texts is None:
            continue
        reader, target, reason = _READERS[name]
        columns[target], bad = reader(texts)
        parsed.refuse(bad, reason, texts)
    if "timestamp" not in columns or columns["timestamp"].null_count:
        _read_leading_times(parsed, lines)
    path, request = found.pop("url_path", None), found.pop("request", None)
    if path is not None:
        parts = read_targets(path)
        columns["url_path"] = parts.path
        _fill(found, "url_query", parts.query)
        _fill(found, "server_address", parts.host)
    if request is not None:
        parts = read_request_lines(request)
        for name, array in (("http_request_method", parts.method), ("url_query", parts.query), ("server_address", parts.host)):
            _fill(found, name, array)
        columns["url_path"] = pc.coalesce(columns["url_path"], parts.path) if "url_path" in columns else parts.path
    if "client_address" in found:
        found["client_address"] = read_addresses(found["client_address"])
    found.pop("end_time", None)
    found.pop("kind", None)
    columns.update(found)
    columns["kind"] = pc.if_else(pa.array(is_access), "access", "log")
    columns["format"] = pa.repeat(pa.scalar("logfmt"), n)
    return parsed


_READERS: dict[str, tuple[Any, str, str]] = {
    "http_response_status_code": (read_status_texts, "http_response_status_code", "invalid_status"),
    "http_response_body_size": (read_size_texts, "http_response_body_size", "invalid_size"),
    "duration": (read_duration_texts, "duration_ms", "invalid_duration"),
    "timestamp": (read_time_texts, "timestamp", "invalid_timestamp"),
}


def _read_leading_times(parsed: Parsed, lines: pa.Array) -> None:
    leading = matches(lines, _LEADING_TIME)
    if leading.any():
        texts = where(leading, pc.replace_substring_regex(lines, _LEADING_TIME, r"\1"))
        times, bad = read_time_texts(texts)
        parsed.refuse(bad, "invalid_timestamp", texts)
        parsed.columns["timestamp"] = pc.coalesce(parsed.columns["timestamp"], times) if "timestamp" in parsed.columns else times


def _fill(found: dict[str, pa.Array], name: str, array: pa.Array) -> None:
    found[name] = pc.coalesce(found[name], array) if name in found else array
