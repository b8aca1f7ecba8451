r"""HAProxy's HTTP and HTTPS log formats.

https://docs.haproxy.org/3.0/configuration.html#8.2.3 ("HTTP log format", "HTTPS log format"): client address and port, accept date,
frontend, backend/server, the timers TR/Tw/Tc/Tr/Ta in ms (Ta, the last, is the whole request; '+' with `option logasap`; four timers
before 1.7), status, bytes, captured cookies, termination state, connections, queues, captured headers {a|b}, "request"; HTTPS adds
fields behind. Quotes within fields are written as #22 or %22. The syslog header before it is an envelope (`udfs.formats.text_envelopes`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.access_lines import start_access
from udfs.formats.cuts import Pieces, cut_lines, equals, logged, matches
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.times import read_clf_times

__all__ = ["looks_like", "parse"]

_HINT = r"^[^ ]+:\d+ \[\d{1,2}/[A-Za-z]{3}/\d{4}:[0-9:.]+\] [^ ]+ [^ ]+/[^ ]+ -?\d+/"
_LINE = (
    r"^(?P<client>[^ ]+) \[(?P<time>[^\]]+)\] [^ ]+ [^ ]+ (?:\+?-?\d+/){3,4}\+?(?P<total>-?\d{1,15})"
    r" (?P<status>\d{1,3}|-1) \+?(?P<size>-?\d{1,18}) (?:[^ ]+ [^ ]+ (?P<state>[^ ]{2,4}) )?.*?\"(?P<request>[^\"]*)(?:\".*)?$"
)
_TIMERS = r"^(?:-?\d+/){3,4}\+?-?\d{1,15}$"


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with address:port, a date in brackets, frontend, backend/server and timers."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 1.5 us a line."""
    cut = cut_lines(lines, index, _quick, _LINE)
    fields = cut.fields
    status, total = fields["status"], fields["total"]
    # -1: aborted before there was a status or a whole duration.
    if equals(status, "-1").any():
        status = pc.if_else(pc.equal(status, "-1"), "-", status)
    if equals(total, "-1").any():
        total = pc.if_else(pc.equal(total, "-1"), "-", total)
    parsed = start_access(
        cut.line,
        "haproxy",
        request=fields["request"],
        status=status,
        size=fields["size"],
        duration=total,
        time=(*_times(fields["time"]), fields["time"]),
    )
    parsed.columns["termination_state"] = logged(fields["state"])
    parsed.columns["client_address"] = read_addresses(fields["client"], always_port=True)
    return parsed, cut.taken


def _times(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """'06/Feb/2009:12:14:14.655': the second is shared by many lines, the milliseconds are added to it."""
    parts = Pieces(texts, ".")
    if not (parts.count == 2).all():
        return read_clf_times(texts)
    fraction = parts.at(1)
    if not matches(fraction, r"^\d{3}$").all():
        return read_clf_times(texts)
    seconds, bad = read_clf_times(parts.at(0))
    us = pc.add(seconds.cast(pa.int64()), pc.multiply(fraction.cast(pa.int64()), 1000))
    return us.cast(seconds.type), bad


def _quick(lines: pa.Array) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    cut = Pieces(lines, '"', 2)
    head = Pieces(cut.at(0), " ", 10)  # what is behind the termination state is not read
    time, timers = head.at(1).fill_null(""), head.at(4).fill_null("")
    sure = (cut.count == 3) & (head.count == 11)
    sure &= pc.starts_with(time, "[").to_numpy(zero_copy_only=False) & pc.ends_with(time, "]").to_numpy(zero_copy_only=False)
    size, status = head.at(6).fill_null(""), head.at(5).fill_null("")
    sure &= matches(timers, _TIMERS) & matches(size, r"^-?\d{1,18}$") & matches(status, r"^(?:\d{1,3}|-1)$")
    total = Pieces(timers, "/").at(-1)
    sure &= ~pc.starts_with(total, "+").to_numpy(zero_copy_only=False)
    fields = {
        "client": head.at(0),
        "time": pc.binary_slice(pc.if_else(pa.array(sure), time, "").cast(pa.binary()), 1, -1).cast(pa.string()),
        "total": total,
        "status": status,
        "size": size,
        "state": head.at(9).fill_null(""),
        "request": cut.at(1).fill_null(""),
    }
    return fields, sure
