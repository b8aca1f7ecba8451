"""Akamai DataStream 2: https://techdocs.akamai.com/datastream2/docs/data-set-parameters.

Everything is a text; `reqTimeSec` is epoch seconds, the user agent is percent-encoded, fields without a value are '-', '^' or left out.
The duration is the sum of what is logged of its parts: receiving the request, turning it around, sending the response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.dialect import Dialect
from udfs.formats.json_values import read_json_durations
from udfs.formats.parsed import Parsed

__all__ = ["AKAMAI_JSON"]

_PARTS = ("_received", "_turned", "_sent")
_NULL = pa.scalar(None, pa.string())


def _finish(parsed: Parsed, private: Mapping[str, Sequence[Any]]) -> None:
    columns = parsed.columns
    parts = []
    for name in _PARTS:
        if name in private:
            array, bad = read_json_durations(private[name])
            parsed.refuse(bad, "invalid_duration", private[name])
            parts.append(array)
    if parts:
        nothing = parts[0].is_null()
        total = pc.fill_null(parts[0], 0.0)
        for part in parts[1:]:
            nothing = pc.and_(nothing, part.is_null())
            total = pc.add(total, pc.fill_null(part, 0.0))
        columns["duration_ms"] = pc.if_else(nothing, pa.scalar(None, pa.float64()), total)
    for name in ("url_query", "request_id", "user_agent_original", "forwarded_for", "error_reason"):
        if name in columns:
            columns[name] = pc.if_else(pc.equal(columns[name], "^"), _NULL, columns[name])
    if "url_path" in columns:
        rooted = pc.or_(pc.starts_with(columns["url_path"], "/"), pc.equal(columns["url_path"], "*"))
        columns["url_path"] = pc.if_else(rooted, columns["url_path"], pc.binary_join_element_wise("/", columns["url_path"], ""))


AKAMAI_JSON = Dialect(
    "akamai",
    (
        frozenset({"reqTimeSec", "reqMethod"}),
        frozenset({"reqTimeSec", "statusCode"}),
        frozenset({"cp", "reqId"}),
        frozenset({"cliIP", "reqHost"}),
    ),
    {
        "reqTimeSec": "timestamp",
        "reqMethod": "http_request_method",
        "reqPath": "url_path",
        "queryStr": "url_query",
        "statusCode": "http_response_status_code",
        "bytes": "http_response_body_size",
        "rspContentLen": "http_response_body_size",
        "totalBytes": "http_response_body_size",
        "xForwardedFor": "client_address",
        "cliIP": "client_address",
        "UA": "user_agent_original",
        "reqHost": "server_address",
        "reqId": "request_id",
        "reqEndTimeMSec": "_received",
        "turnAroundTimeMSec": "_turned",
        "transferTimeMSec": "_sent",
        "errorCode": "error_reason",
    },
    is_access=True,
    finish=_finish,
)
