"""NPMplus' access log.

https://github.com/ZoeyVid/NPMplus, rootfs/usr/local/nginx/conf/nginx.conf, `log_format`: '[$time_local] $host $remote_addr
$request_time "$request" $status $body_bytes_sent $bytes_sent $http_referer $http_user_agent'; the last two stand without quotes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.access_lines import start_access
from udfs.formats.cuts import logged, match_lines
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.times import read_clf_times

__all__ = ["looks_like", "parse"]

_HINT = r"^\[\d{1,2}/[A-Za-z]{3}/\d{4}:[^\]]*\] [^ ]+ [0-9A-Fa-f.:]+ (?:\d|-)[^ ]* \""
_LINE = (
    r"^\[(?P<time>[^\]]+)\] (?P<host>[^ ]+) (?P<client>[^ ]+) (?P<duration>-?\d+(?:\.\d+)?|-) \"(?P<request>.*?)\""
    r" (?P<status>\d{1,3}|-) (?P<size>\d{1,18}|-) (?:\d{1,18}|-) [^ ]* (?P<agent>.*)$"
)
_NO_HOST = pa.array(["_", "-", ""])


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with a date in brackets, host, address, seconds and a quote."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 4 us a line."""
    fields, taken = match_lines(lines, _LINE)
    parsed = start_access(
        index[np.flatnonzero(taken)],
        "npmplus",
        request=fields["request"],
        status=fields["status"],
        size=fields["size"],
        duration=fields["duration"],
        unit_ms=1e3,
        time=(*read_clf_times(fields["time"]), fields["time"]),
    )
    columns = parsed.columns
    columns["client_address"] = read_addresses(logged(fields["client"]))
    columns["user_agent_original"] = logged(fields["agent"])
    host = pc.if_else(pc.is_in(fields["host"], _NO_HOST), pa.scalar(None, pa.string()), fields["host"])
    columns["server_address"] = pc.coalesce(host, columns["server_address"])
    return parsed, taken
