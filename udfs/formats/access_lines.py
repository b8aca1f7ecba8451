"""What access lines of all text formats have in common: request, status, size and duration become columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.cuts import constant
from udfs.formats.parsed import Parsed
from udfs.formats.values.quantities import read_duration_texts, read_size_texts, read_status_texts
from udfs.formats.values.targets import Target, read_request_lines

__all__ = ["start_access"]


def start_access(
    line: NDArray[Any],
    name: str,
    *,
    request: pa.Array | None = None,
    target: Target | None = None,
    status: pa.Array,
    size: pa.Array | None = None,
    duration: pa.Array | None = None,
    unit_ms: float = 1.0,
    time: tuple[pa.Array, NDArray[Any] | None, pa.Array] | None = None,
) -> Parsed:
    """Rows of an access format with the columns that every format has; what cannot be is refused.

    Parameters
    ----------
    line : int64[n], input line of each row
    name : goes into the column `format`
    request : 'METHOD TARGET PROTOCOL' texts; or `target`, its parts
    status, size, duration : texts as logged; `unit_ms` is the unit of the durations
    time : timestamps, which of them cannot be, and their texts
    """
    parsed = Parsed(line)
    columns = parsed.columns
    if time is not None:
        columns["timestamp"], bad, texts = time
        parsed.refuse(bad, "invalid_timestamp", texts)
    columns["http_response_status_code"], bad = read_status_texts(status)
    parsed.refuse(bad, "invalid_status", status)
    if size is not None:
        columns["http_response_body_size"], bad = read_size_texts(size)
        parsed.refuse(bad, "invalid_size", size)
    if duration is not None:
        columns["duration_ms"], bad = read_duration_texts(duration, unit_ms)
        parsed.refuse(bad, "invalid_duration", duration)
    parts = target if target is not None else read_request_lines(request) if request is not None else None
    if parts is not None:
        columns.update(http_request_method=parts.method, url_path=parts.path, url_query=parts.query, server_address=parts.host)
    columns["format"] = constant(name, len(line))
    columns["kind"] = constant("access", len(line))
    return parsed
