r"""CloudFront's standard and real-time logs without their header: tab-separated, in the documented order.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html ("Log file fields"; lines of older days
have the first of them) and real-time-logs.html ("Fields": whichever are chosen stay in this order; `cs-uri-stem` holds the query, too).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.cuts import Pieces, match_lines
from udfs.formats.parsed import Parsed
from udfs.formats.w3c import parse_fields, read_columns

__all__ = ["REAL_TIME", "STANDARD", "looks_like", "parse"]

STANDARD = (
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(host)", "cs-uri-stem", "sc-status", "cs(referer)",
    "cs(user-agent)", "cs-uri-query", "cs(cookie)", "x-edge-result-type", "x-edge-request-id", "x-host-header", "cs-protocol", "cs-bytes",
    "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher", "x-edge-response-result-type", "cs-protocol-version", "fle-status",
    "fle-encrypted-fields", "c-port", "time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len",
    "sc-range-start", "sc-range-end",
)  # fmt: skip
REAL_TIME = (
    "timestamp", "c-ip", "time-to-first-byte", "sc-status", "sc-bytes", "cs-method", "cs-protocol", "cs-host", "cs-uri-stem", "cs-bytes",
    "x-edge-location", "x-edge-request-id", "x-host-header", "time-taken", "cs-protocol-version", "c-ip-version", "cs-user-agent",
    "cs-referer", "cs-cookie", "cs-uri-query", "x-edge-response-result-type", "x-forwarded-for", "ssl-protocol", "ssl-cipher",
    "x-edge-result-type", "fle-encrypted-fields", "fle-status", "sc-content-type", "sc-content-len", "sc-range-start", "sc-range-end",
    "c-port", "x-edge-detailed-result-type", "c-country", "cs-accept-encoding", "cs-accept", "cache-behavior-path-pattern", "cs-headers",
    "cs-header-names", "cs-headers-count", "origin-fbl", "origin-lbl", "asn",
)  # fmt: skip
_FEWEST = 12
_HINT = r"^(?:\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\t[A-Z]{3}|\d{10}(?:\.\d{1,6})?\t[0-9a-f]+[.:])"
# Chosen fields of a real-time log, told by their form.
_CHOSEN = (
    r"^(?P<timestamp>\d{10}(?:\.\d+)?)\t(?P<c_ip>[0-9a-f.:]+)(?:\t\d+\.\d+)?(?:\t(?P<sc_status>\d{3}))?(?:\t(?P<sc_bytes>\d+))?"
    r"(?:\t(?P<cs_method>[A-Z-]+))?(?:\t(?:https?|wss?))?(?:\t(?P<cs_host>[^\t/]+\.[^\t/]+))?(?:\t(?P<cs_uri_stem>/[^\t]*))?(?:\t\d+)?"
    r"(?:\t[A-Z]{3}\d+(?:-[A-Z0-9]+)?)?(?:\t(?P<x_edge_request_id>[A-Za-z0-9_-]{30,}={0,2}))?(?:\t(?P<x_host_header>[^\t/ ]+\.[^\t/ ]+))?"
    r"(?:\t(?P<time_taken>\d+\.\d+))?(?:\tHTTP/[0-9.]+)?(?:\tIPv[46])?(?:\t(?P<cs_user_agent>[A-Za-z][^\t]*[/%(][^\t]*))?(?:\t.*)?$"
)


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with date, time and edge location, or with an epoch time and an address, with tabs between."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 2 us a line of a whole set of fields."""
    counts = Pieces(lines, "\t").count
    dated = pc.match_substring_regex(lines, "^[0-9]{4}-").to_numpy(zero_copy_only=False)
    taken = np.zeros(len(lines), bool)
    parts: list[Parsed] = []
    for count in np.unique(counts[dated]).tolist():
        if count >= _FEWEST:
            names = (*STANDARD[:count], *(f"x{place}" for place in range(len(STANDARD), count)))
            _take(parts, taken, lines, index, np.flatnonzero(dated & (counts == count)), names)
    for count in np.unique(counts[~dated]).tolist():
        rows = np.flatnonzero(~dated & (counts == count))
        if count >= len(REAL_TIME):
            names = (*REAL_TIME, *(f"x{place}" for place in range(len(REAL_TIME), count)))
            _take(parts, taken, lines, index, rows, names)
            rows = rows[~taken[rows]]
        if len(rows):
            _take_chosen(parts, taken, lines, index, rows)
    return _joined(parts), taken


def _take(
    parts: list[Parsed], taken: NDArray[Any], lines: pa.Array, index: NDArray[Any], rows: NDArray[Any], names: tuple[str, ...]
) -> None:
    parsed, fit = parse_fields(lines.take(pa.array(rows)), index[rows], names)
    taken[rows[fit]] = True
    parts.append(parsed)


def _take_chosen(parts: list[Parsed], taken: NDArray[Any], lines: pa.Array, index: NDArray[Any], rows: NDArray[Any]) -> None:
    fields, matched = match_lines(lines.take(pa.array(rows)), _CHOSEN)
    named = {name.replace("_", "-"): values for name, values in fields.items()}
    good = np.flatnonzero(matched)
    taken[rows[good]] = True
    parts.append(read_columns({**named, "x-edge-location": named["timestamp"]}, index[rows[good]]))


def _joined(parts: list[Parsed]) -> Parsed:
    """One result of several with the same columns or fewer."""
    parts = [part for part in parts if len(part.line)]
    if len(parts) == 1:
        return parts[0]
    whole = Parsed(np.concatenate([part.line for part in parts]) if parts else np.zeros(0, np.int64))
    before = 0
    for part in parts:
        whole.refused.update({row + before: refusal for row, refusal in part.refused.items()})
        before += len(part.line)
    kinds = {name: array.type for part in parts for name, array in part.columns.items()}
    for name, kind in kinds.items():
        whole.columns[name] = pa.concat_arrays([part.columns.get(name, pa.nulls(len(part.line), kind)) for part in parts])
    return whole
