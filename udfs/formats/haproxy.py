"""HAProxy's HTTP log format, with or without the syslog header before it.

https://docs.haproxy.org/3.0/configuration.html#8.2.3: client address and port, accept date, frontend, backend/server, the timers
TR/Tw/Tc/Tr/Ta in ms (Ta, the last, is the whole request; '+' with `option logasap`), status, bytes, ... "request".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.common_log import read_status_texts
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.targets import read_request_lines
from udfs.formats.values.times import read_clf_times

__all__ = ["looks_like", "parse"]

_HINT = r"^(?:[A-Z<][^\[]* [\w./-]*haproxy(?:\[\d+\])?: )?[^ ]+:\d+ \[\d{1,2}/[A-Za-z]{3}/\d{4}:[0-9:.]+\] [^ ]+ [^ ]+/[^ ]+ -?\d+/"
_LINE = (
    r"^(?:.*haproxy(?:\[\d+\])?: )?(?P<client>[^ ]+) \[(?P<time>[^\]]+)\] [^ ]+ [^ ]+ (?:-?\d+/){3,4}\+?(?P<total>-?\d{1,15})"
    r" (?P<status>\d{3}|-1) \+?(?P<size>\d{1,18}) .*?\"(?P<request>.*)\"?$"
)


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with address:port, a date in brackets, frontend, backend/server and timers."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 5-8 us a line."""
    parts = pc.extract_regex(lines, _LINE)
    matched = parts.is_valid()
    taken: NDArray[Any] = matched.to_numpy(zero_copy_only=False)
    if not taken.all():
        parts, index = parts.filter(matched), index[taken]
    client, time, total, status, size, request = parts.flatten()
    parsed = Parsed(index)
    timestamp, bad = read_clf_times(time)
    parsed.refuse(bad, "invalid_timestamp", time)
    milliseconds = total.cast(pa.float64())
    # -1: aborted before the request was complete, the whole is not known.
    parsed.refuse(np.asarray(pc.less(milliseconds, -1.0).to_numpy(zero_copy_only=False)), "invalid_duration", total)
    target = read_request_lines(pc.replace_substring_regex(request, '"$', ""))
    parsed.columns.update(
        timestamp=timestamp,
        http_request_method=target.method,
        url_path=target.path,
        url_query=target.query,
        http_response_status_code=read_status_texts(parsed, pc.if_else(pc.equal(status, "-1"), "-", status)),
        http_response_body_size=size.cast(pa.int64()),
        duration_ms=pc.if_else(pc.less(milliseconds, 0.0), pa.scalar(None, pa.float64()), milliseconds),
        client_address=read_addresses(client, always_port=True),
        server_address=target.host,
        format=pa.repeat(pa.scalar("haproxy"), len(index)),
        kind=pa.repeat(pa.scalar("access"), len(index)),
    )
    return parsed, taken
