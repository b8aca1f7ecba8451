"""The common log format and its kin: nginx and Apache `combined` and `common`, with or without a virtual host before them.

https://httpd.apache.org/docs/2.4/logs.html ("Common Log Format", "Combined Log Format", "Virtual Hosts": `%v:%p %h %l %u ...`),
https://nginx.org/en/docs/http/ngx_http_log_module.html (`combined`), Caddy (common_log),
https://tomcat.apache.org/tomcat-10.1-doc/config/valve.html#Access_Log_Valve (common, combined),
https://varnish-cache.org/docs/trunk/reference/varnishncsa.html, https://docs.litespeedtech.com/lsws/logs/ (combined),
https://docs.bunkerweb.io (`$host $remote_addr - $request_id $remote_user [...`), IIS and cPanel in NCSA form.
What configurations add behind is read by `udfs.formats.common_log_tail`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.access_lines import start_access
from udfs.formats.common_log_tail import read_tails
from udfs.formats.cuts import Pieces, cut_lines, equals, few_match, holds, logged, matches, where
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import is_address, read_addresses
from udfs.formats.values.times import read_clf_times

__all__ = ["looks_like", "parse"]

# The request is matched lazily up to '" status size', so that quotes within it do no harm.
_LINE = (
    r"^(?P<before>[^ ].*?) ?\[(?P<time>\d[^\]]{9,39})\] (?:\d{10}\.\d{3} )?\"(?P<request>.*?)\""
    r" (?P<status>\d{1,3}|-) (?P<size>-?\d{1,18}|-)"
    r"(?: (?P<quoted>\")(?:[^\"\\]|\\.)*\" \"(?P<agent>(?:[^\"\\]|\\.)*)\")?(?P<rest>(?: .*)?)$"
)
_HINT = r"\[(?:\d{1,2}/[0-9A-Za-z]{2,3}/\d{4}[: ]|\d{4}-\d\d-\d\d[T ])[^\]]*\] (?:\d{10}\.\d{3} )?\""
_TIME = r"^(?:\d{1,2}/(?:[A-Za-z]{3}|\d\d)/\d{4}:\d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) ?[+-]\d\d:?\d\d$"
_LONG_NAME = r"^[^ ,]+ [^ ]+ ([^\[\]]+)$"
_REAL = r"^(?P<first>[^ ]+) - \[(?P<real>[0-9A-Fa-f.:]{3,39})(?:,[^\]]*)?\] "
_TAG = r"^(?:[^ :\[\]\"]+ )?[A-Za-z][\w./-]*(?:\[\d+\])?: +([^ -])"
_HEX_ID = r"^[0-9a-f]{32}$"


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether there is a date of this format and a quote behind it. Cost: one scan of the head of each line."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all.

    Cost: 1.2 us a line of the plain formats; 4-6 us for one with escaped quotes or an unusual head.
    """
    cut = cut_lines(lines, index, _quick, _LINE)
    fields = cut.fields
    if holds(fields["before"], ": ").any():  # 'web1 nginx: 1.2.3.4 - -': a syslog message without its time
        fields["before"] = pc.replace_substring_regex(fields["before"], _TAG, r"\1")
    words = Pieces(fields["before"], " ")
    first, second = words.at(0), words.at(1)
    # 'host address ident user' has an address where 'address ident user' has the ident, nearly always '-'.
    has_host = _has_host(words)
    if has_host.any():
        second = pc.utf8_trim(second, '",')  # the first of a list
    parsed = start_access(
        cut.line,
        "common",
        request=fields["request"],
        status=fields["status"],
        size=fields["size"],
        time=(*read_clf_times(fields["time"]), fields["time"]),
    )
    columns = parsed.columns
    columns["client_address"] = read_addresses(logged(pc.if_else(pa.array(has_host), second, first) if has_host.any() else first))
    if has_host.any():
        columns["server_address"] = pc.coalesce(logged(where(has_host, first)), columns["server_address"])
    _read_names(columns, fields["before"], words, has_host)
    if holds(fields["before"], "[").any():
        _read_real_address(columns, fields["before"])
    combined = equals(fields["quoted"], '"')
    if combined.any():
        columns["user_agent_original"] = logged(fields["agent"] if combined.all() else where(combined, fields["agent"]))
        columns["format"] = pc.if_else(pa.array(combined), "combined", columns["format"])
    read_tails(parsed, fields["rest"], combined)
    return parsed, cut.taken


def _has_host(words: Pieces) -> NDArray[Any]:
    first, second = words.at(0), words.at(1)
    unknown = pc.equal(second, "-").fill_null(False)
    if pc.all(unknown, min_count=0).as_py():
        return np.zeros(len(first), bool)
    found: NDArray[Any] = is_address(pc.utf8_trim(second, '",')).fill_null(False).to_numpy(zero_copy_only=False)
    # 'host name - user': a client known by its name.
    found = found | ((words.count == 4) & equals(words.at(2), "-") & ~unknown.to_numpy(zero_copy_only=False))
    listed: NDArray[Any] = pc.ends_with(first, ",").fill_null(False).to_numpy(zero_copy_only=False)
    result: NDArray[Any] = found & ~listed
    return result


def _read_real_address(columns: dict[str, pa.Array], before: pa.Array) -> None:
    """Older ingress-nginx: 'address - [real address] - user', or the host in the first address' place."""
    parts = pc.extract_regex(before, _REAL)
    found = parts.is_valid()
    first, real = parts.field(0), parts.field(1)
    columns["client_address"] = pc.if_else(found, real, columns["client_address"])
    is_host = pc.and_(found, pc.invert(is_address(first))).fill_null(False)
    columns["server_address"] = pc.coalesce(logged(pc.if_else(is_host, first, pa.scalar(None, pa.string()))), columns["server_address"])


def _named(users: pa.Array) -> pa.Array:
    """Apache writes an empty name as two quotes."""
    return logged(pc.if_else(pc.equal(users, '""'), "-", users))


def _read_names(columns: dict[str, pa.Array], before: pa.Array, words: Pieces, has_host: NDArray[Any]) -> None:
    """The user, and BunkerWeb's request id, which stands before the user."""
    n = len(has_host)
    extra = words.count - has_host.astype(np.int64)
    user = words.at(2)
    if has_host.any():
        user = pc.if_else(pa.array(has_host), words.at(3), user)
    columns["user_id"] = _named(where(extra == 3, user))
    longer = extra > 3
    if not longer.any():
        return
    named = has_host & (words.count == 5)
    if named.any():
        named &= matches(words.at(3), _HEX_ID)
        columns["request_id"] = where(named, words.at(3))
        columns["user_id"] = pc.coalesce(columns["user_id"], _named(where(named, words.at(4))))
    own = ~has_host & (words.count == 4)  # an id of nginx in the user's place
    if own.any():
        own &= matches(words.at(2), _HEX_ID)
        found = where(own, words.at(2))
        columns["request_id"] = pc.coalesce(columns["request_id"], found) if "request_id" in columns else found
        columns["user_id"] = pc.coalesce(columns["user_id"], _named(where(own, words.at(3))))
        named |= own
    bare = pc.if_else(pa.array(has_host), pc.replace_substring_regex(before, r"^[^ ]+ ", ""), before)
    blanks = longer & ~named & matches(bare, _LONG_NAME)
    if blanks.any():
        names = _named(where(blanks, pc.replace_substring_regex(bare, _LONG_NAME, r"\1")))
        columns["user_id"] = pc.coalesce(columns.get("user_id", pa.nulls(n, pa.string())), names)


def _quick(lines: pa.Array) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    r"""Fields of '<before> [<time>] "<request>" <status> <size>[ "<referer>" "<agent>"]<rest>'; sure where no quote is escaped."""
    cut = Pieces(lines, '"', 6)
    head = Pieces(cut.at(0), "[")
    numbers = cut.at(2)
    combined = (cut.count == 7) & equals(cut.at(4), " ")
    bare = cut.count == 3
    time = head.at(1).fill_null("")
    sure = (head.count == 2) & (combined | bare) & pc.ends_with(time, "] ").to_numpy(zero_copy_only=False) & ~holds(lines, '\\"')
    time = pc.binary_slice(pc.if_else(pa.array(sure), time, "").cast(pa.binary()), 0, -2).cast(pa.string())
    before = pc.utf8_rtrim(head.at(0).fill_null(""), " ")
    sure &= few_match(time, _TIME)
    status_size = Pieces(numbers.fill_null(""), " ")
    # ' 200 512 ' before a quote, ' 200 512' or ' 200 512 more' at the end.
    status, size = status_size.at(1), status_size.at(2)
    sure &= np.where(combined, status_size.count == 4, status_size.count >= 3) & equals(status_size.at(0), "")
    sure &= few_match(status, r"^(?:\d{1,3}|-)$") & matches(size, r"^(?:\d{1,18}|-)$")
    sure &= ~equals(before, "") & ~pc.starts_with(before, " ").fill_null(True).to_numpy(zero_copy_only=False)
    rest = cut.at(6).fill_null("")
    if bare.any():
        more = pc.replace_substring_regex(numbers.filter(pa.array(bare)), r"^ [^ ]* [^ ]*", "")
        rest = pc.replace_with_mask(rest, pa.array(bare), more.fill_null(""))
    sure &= equals(rest, "") | pc.starts_with(rest, " ").to_numpy(zero_copy_only=False)
    quoted = pc.if_else(pa.array(combined), '"', "")
    agent = cut.at(5).fill_null("")
    request = cut.at(1).fill_null("")
    fields = {
        "before": before,
        "time": time,
        "request": request,
        "status": status,
        "size": size,
        "quoted": quoted,
        "agent": agent,
        "rest": rest,
    }
    return fields, sure
