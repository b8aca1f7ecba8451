"""W3C extended logs: a `#Fields` line names the values of the rows behind it. IIS, CloudFront, Azure App Service and others.

https://www.w3.org/TR/WD-logfile ("Extended Log File Format"; a header may change midway),
https://learn.microsoft.com/windows/win32/http/w3c-logging (IIS: blanks within values are '+', `time-taken` in ms, UTC),
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html (tabs, `time-taken` in s),
https://tomcat.apache.org/tomcat-10.1-doc/config/valve.html#Extended_Access_Log_Valve (quoted values, `time-taken` in s).

Rows that have lost their header are read by `udfs.formats.cloudfront` and `udfs.formats.iis`, where their shape gives the order away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.access_lines import start_access
from udfs.formats.cuts import Pieces, constant, logged, matches
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import is_address, read_addresses
from udfs.formats.values.quantities import read_duration_texts
from udfs.formats.values.targets import Target, read_targets
from udfs.formats.values.times import read_time_texts

__all__ = ["field_names", "parse_fields", "read_columns"]

_FIELDS = re.compile(r"^#Fields:[ \t]*(.*?)[ \t]*$", re.IGNORECASE)
_VALUE = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_CLOUDFRONT_ONLY = frozenset({"x-edge-location", "x-edge-request-id", "x-edge-result-type", "distributionid"})
_CHECKS = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "time": r"^\d\d:\d\d:\d\d(?:\.\d+)?$",
    "sc-status": r"^(?:\d{1,3}|-)$",
    "c-ip": r"^(?:[0-9A-Fa-f:.%]+|-)$",
    "cs-method": r"^[A-Za-z_-]+$",
}
_SOURCES = {
    "forwarded_for": ("x-forwarded-for", "cs(x-forwarded-for)", "cs-x-forwarded-for"),
    "client_address": ("c-ip", "c-ipaddress"),
    "http_request_method": ("cs-method",),
    "url_path": ("cs-uri-stem", "cs-uri"),
    "url_query": ("cs-uri-query",),
    "server_address": ("x-host-header", "cs(host)", "cs-host"),
    "status": ("sc-status",),
    "size": ("sc-content-len", "sc-bytes", "bytes"),
    "duration": ("time-taken",),
    "user_agent_original": ("cs(user-agent)", "cs-user-agent"),
    "request_id": ("x-edge-request-id", "cs(x-request-id)", "sc(x-request-id)", "x-request-id", "x-arr-log-id"),
    "user_id": ("cs-username", "cs(x-user-id)"),
    "host_name": ("s-computername",),
    "trace": ("cs(traceparent)", "traceparent", "cs(x-amzn-trace-id)"),
}


def field_names(header: str) -> tuple[str, ...]:
    """Names of a '#Fields: ..' line (or of the names alone), in lower case; () if it is none."""
    match = _FIELDS.match(header)
    names = match.group(1) if match else "" if header.startswith("#") else header
    return tuple(names.lower().split())


def parse_fields(lines: pa.Array, index: NDArray[Any], names: Sequence[str]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of rows under a header, and which rows (bool[n]) can be of it: as many values, of the form their names ask for.

    Cost: 2 us a row; 5 us where values are quoted.
    """
    tabbed = pc.match_substring(lines, "\t").to_numpy(zero_copy_only=False)
    taken = np.zeros(len(lines), bool)
    columns: list[tuple[list[pa.Array], NDArray[Any]]] = []
    for separator, rows in (("\t", np.flatnonzero(tabbed)), (" ", np.flatnonzero(~tabbed))):
        if len(rows):
            values, fit = _values(lines.take(pa.array(rows)), separator, names)
            taken[rows[fit]] = True
            columns.append(([value.filter(pa.array(fit)) for value in values], rows[fit]))
    rows = np.concatenate([rows for _, rows in columns]) if columns else np.zeros(0, np.int64)
    joined = [pa.concat_arrays(list(each)) for each in zip(*(values for values, _ in columns), strict=True)]
    return read_columns(dict(zip(names, joined, strict=True)), index[rows]), taken


def _values(lines: pa.Array, separator: str, names: Sequence[str]) -> tuple[list[pa.Array], NDArray[Any]]:
    if separator == " " and pc.any(pc.match_substring(lines, '"')).as_py():
        lines = pa.array([_unquoted(line) for line in lines.to_pylist()], pa.string())
        separator = "\x00"
    cut = Pieces(lines, separator)
    fit = cut.count == len(names)
    values = [cut.at(place).fill_null("") for place in range(len(names))]
    for name, pattern in _CHECKS.items():
        if name in names:
            fit &= matches(values[names.index(name)], pattern)
    return values, fit


def _unquoted(line: str) -> str:
    """Values between NULs; a quote within quotes is doubled."""
    return "\x00".join(quoted.replace('""', '"') or bare for quoted, bare in _VALUE.findall(line.replace("\x00", "")))


def read_columns(values: dict[str, pa.Array], line: NDArray[Any], name: str = "") -> Parsed:
    """Rows from the values of named fields; of several fields with one meaning the first that holds something counts."""
    n = len(line)
    found = {target: array for target, names in _SOURCES.items() if (array := _first(values, names)) is not None}
    path, query = found.get("url_path"), found.get("url_query")
    parts = read_targets(path) if path is not None else Target(*([pa.nulls(n, pa.string())] * 4))
    asked = parts.query if query is None else pc.coalesce(query, parts.query)
    method = found.get("http_request_method", pa.nulls(n, pa.string()))
    is_cloudfront = not _CLOUDFRONT_ONLY.isdisjoint(values)
    parsed = start_access(
        line,
        name or ("aws_cloudfront" if is_cloudfront else "iis_w3c" if "sc-win32-status" in values else "w3c"),
        target=Target(method, parts.path, asked, parts.host),
        status=found.get("status", constant("-", n)),
        size=found.get("size"),
        time=_times(values, n),
    )
    columns = parsed.columns
    if "duration" in found:
        _read_duration(parsed, found["duration"], is_cloudfront)
    for name in ("user_agent_original", "request_id", "user_id", "host_name", "forwarded_for"):
        if name in found:
            columns[name] = found[name]
    if "server_address" in found:
        columns["server_address"] = pc.coalesce(found["server_address"], parts.host)
    if "client_address" in found or "forwarded_for" in found:
        columns["client_address"] = _callers(found, n)
    if "trace" in found:
        columns["trace_id"] = pc.replace_substring_regex(found["trace"], r"^[0-9a-f]{2}-([0-9a-f]{32})-.*$", r"\1")
    return parsed


def _first(values: dict[str, pa.Array], names: Sequence[str]) -> pa.Array | None:
    arrays = [logged(values[name]) for name in names if name in values]
    return pc.coalesce(*arrays) if len(arrays) > 1 else arrays[0] if arrays else None


def _times(values: dict[str, pa.Array], n: int) -> tuple[pa.Array, NDArray[Any] | None, pa.Array] | None:
    if "date" in values and "time" in values:
        texts = pc.binary_join_element_wise(values["date"], pc.binary_join_element_wise(values["time"], "Z", ""), "T")
    elif "timestamp" in values or "timestamp(ms)" in values:
        texts = values.get("timestamp", values.get("timestamp(ms)"))
        return (*_epochs(texts), texts)
    elif "date-time" in values:
        texts = values["date-time"]
    else:
        return None
    return (*read_time_texts(texts), texts)


def _epochs(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """Epoch seconds with decimals, or milliseconds."""
    parts = Pieces(texts, ".")
    if (parts.count == 2).all() and matches(texts, r"^\d{10}\.\d{3}$").all():
        us = pc.add(pc.multiply(parts.at(0).cast(pa.int64()), 1_000_000), pc.multiply(parts.at(1).cast(pa.int64()), 1000))
        return us.cast(pa.timestamp("us", tz="UTC")), None
    return read_time_texts(texts)


def _read_duration(parsed: Parsed, texts: pa.Array, is_cloudfront: bool) -> None:
    """IIS writes whole ms, the others seconds with decimals."""
    seconds = is_cloudfront or bool(pc.all(pc.match_substring(texts, "."), min_count=0).as_py())
    array, bad = read_duration_texts(texts, 1e3 if seconds else 1.0)
    if not seconds and pc.any(pc.match_substring(texts, ".")).as_py():
        decimals = pc.match_substring(texts, ".").fill_null(False)
        of_seconds, bad = read_duration_texts(texts, 1e3)
        array = pc.if_else(decimals, of_seconds, array)
    parsed.columns["duration_ms"] = array
    parsed.refuse(bad, "invalid_duration", texts)


def _callers(found: dict[str, pa.Array], n: int) -> pa.Array:
    peer = found.get("client_address", pa.nulls(n, pa.string()))
    if "forwarded_for" not in found or found["forwarded_for"].null_count == n:
        return peer
    # CloudFront encodes the blank behind a comma, IIS writes '+'.
    forwarded = read_addresses(pc.replace_substring_regex(found["forwarded_for"], r"(?:%20|\+)", " "))
    return pc.coalesce(pc.if_else(is_address(forwarded), forwarded, pa.scalar(None, pa.string())), peer)
