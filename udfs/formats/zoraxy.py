"""Zoraxy's request log.

https://github.com/tobychui/zoraxy, src/mod/info/logger (LogHTTPRequest): own time to the microsecond in brackets, router, origin (the
host asked for), client, user agent, then method, target and status. The time has no zone: UTC.
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
from udfs.formats.values.targets import Target, read_targets
from udfs.formats.values.times import read_time_texts

__all__ = ["looks_like", "parse"]

_HEAD = (
    r"^(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\]"
    r" \[router:[^\]]*\] \[origin:(?P<host>[^\]]*)\]"
)
_LINE = rf"{_HEAD} \[client: ?(?P<client>[^\]]*)\] \[useragent: ?(?P<agent>.*)\] (?P<method>[^ ]+) (?P<target>.*) (?P<status>\d{{1,3}})$"


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with time, router and origin."""
    return pc.match_substring_regex(lines, _HEAD)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 3 us a line."""
    fields, taken = match_lines(lines, _LINE)
    parts = read_targets(logged(fields["target"]))
    parsed = start_access(
        index[np.flatnonzero(taken)],
        "zoraxy",
        target=Target(logged(fields["method"]), parts.path, parts.query, parts.host),
        status=fields["status"],
        time=(*read_time_texts(fields["time"]), fields["time"]),
    )
    columns = parsed.columns
    columns["client_address"] = read_addresses(logged(fields["client"]))
    columns["user_agent_original"] = logged(fields["agent"])
    columns["server_address"] = logged(fields["host"])
    return parsed, taken
