"""The common log format and its kin: nginx and Apache `combined` and `common`, with or without a virtual host before them.

https://httpd.apache.org/docs/2.4/logs.html ("Common Log Format", "Combined Log Format", "Virtual Hosts": `%v:%p %h %l %u ...`),
https://nginx.org/en/docs/http/ngx_http_log_module.html (`combined`; the packaged `main` adds "$http_x_forwarded_for"),
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/ (request time in s, upstream, request id),
https://doc.traefik.io/traefik/observability/access-logs/ (CLF: request count, router, server URL, `..ms`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import is_address, read_addresses
from udfs.formats.values.targets import read_request_lines
from udfs.formats.values.times import read_clf_times

__all__ = ["looks_like", "parse"]

# The request is matched lazily up to '" status size', so that quotes within it do no harm.
_LINE = (
    r"^(?P<first>[^ ]+)(?: (?P<second>[^ ]+))?(?: .*?)? ?\[(?P<time>[^\]]{10,40})\] \"(?P<request>.*?)\""
    r" (?P<status>\d{3}|-) (?P<size>\d{1,18}|-)"
    r"(?: \"(?:[^\"\\]|\\.)*\" \"(?P<agent>(?:[^\"\\]|\\.)*)\")?(?P<rest>(?: .*)?)$"
)
_HINT = r"^[^\[{ ][^\[]*\[\d{1,2}/[0-9A-Za-z]{2,3}/\d{4}:"
_INGRESS = r"^ \d+ (?P<seconds>\d+\.\d+) \[[^\]]*\] \[[^\]]*\] .* (?P<request_id>[0-9A-Za-z-]+)$"
_TRAEFIK = r"^ \d+ \"[^\"]*\" \"[^\"]*\" (?P<milliseconds>\d+)ms$"
# API Gateway ends its line with a bare request id, Kong names it.
_REQUEST_ID = r"^(?:.*(?:request_id|req_id|rid)[=:] ?\"?| )(?P<request_id>[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})\"?(?: |$)"
_FORWARDED = r"^ \"(?P<forwarded>[0-9A-Fa-f.:]+)(?:, ?[^\"]*)?\""
_SECONDS = r"^(?: \"[^\"]*\")? (?:rt=|request_time[=:] ?)?\"?(?P<seconds>\d+\.\d{3})\"?(?: |$)"
_NULL = pa.scalar(None, pa.string())


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether there is a date of this format behind the first words. Cost: one scan of the head of each line."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all.

    Cost: 4-6 us a line; most of it is the one regular expression that cuts the line up.
    """
    parts = pc.extract_regex(lines, _LINE)
    matched = parts.is_valid()
    taken = matched.to_numpy(zero_copy_only=False)
    if not taken.all():
        parts, index = parts.filter(matched), index[taken]
    first, second, time, request, status, size, agent, rest = parts.flatten()
    parsed = Parsed(index)
    timestamp, bad = read_clf_times(time)
    parsed.refuse(bad, "invalid_timestamp", time)
    target = read_request_lines(request)
    # 'host address ident user [' has an address where 'address ident user [' has the ident, nearly always '-'.
    has_host = pc.and_(is_address(second), pc.invert(pc.ends_with(first, ","))).fill_null(False)
    peer = read_addresses(_logged(pc.if_else(has_host, second, first)))
    columns = parsed.columns
    columns.update(
        timestamp=timestamp,
        http_request_method=target.method,
        url_path=target.path,
        url_query=target.query,
        http_response_status_code=read_status_texts(parsed, status),
        http_response_body_size=_logged(size).cast(pa.int64()),
        client_address=peer,
        user_agent_original=_logged(agent),
        server_address=pc.coalesce(_logged(pc.if_else(has_host, first, _NULL)), target.host),
        format=pc.if_else(pc.equal(agent, ""), pc.if_else(pc.equal(rest, ""), "common", "combined"), "combined"),
        kind=pa.repeat(pa.scalar("access"), len(index)),
    )
    if pc.any(pc.not_equal(rest, "")).as_py():
        _read_rest(columns, rest)
    return parsed, taken


def read_status_texts(parsed: Parsed, status: pa.Array) -> pa.Array:
    """Status codes of texts of three digits; '-' and '000' are none, what HTTP does not know is refused."""
    codes = _logged(status).cast(pa.uint16())
    values = codes.fill_null(0).to_numpy(zero_copy_only=False)
    bad = (values != 0) & ((values < 100) | (values > 599))
    parsed.refuse(bad, "invalid_status", status)
    return pc.if_else(pa.array((values == 0) | bad), pa.scalar(None, pa.uint16()), codes)


def _read_rest(columns: dict[str, pa.Array], rest: pa.Array) -> None:
    """What known configurations add at the end of a line: times, request ids, the forwarded address."""
    ingress = pc.extract_regex(rest, _INGRESS)
    traefik = pc.extract_regex(rest, _TRAEFIK)
    forwarded = pc.extract_regex(rest, _FORWARDED)
    seconds = pc.extract_regex(rest, _SECONDS)
    seconds_text = pc.coalesce(_field(ingress, 0), _field(seconds, 0))
    of_seconds = pc.round(pc.multiply(seconds_text.cast(pa.float64()), 1e3), 9)
    columns["duration_ms"] = pc.coalesce(of_seconds, _field(traefik, 0).cast(pa.float64()))
    request_id = pc.coalesce(_field(ingress, 1), _field(pc.extract_regex(rest, _REQUEST_ID), 0))
    columns["request_id"] = pc.if_else(pc.equal(request_id, "-"), _NULL, request_id)
    first = _field(forwarded, 0)
    columns["client_address"] = pc.if_else(is_address(first).fill_null(False), first, columns["client_address"])
    named = pc.if_else(ingress.is_valid(), "nginx_ingress", pc.if_else(traefik.is_valid(), "traefik", _NULL))
    columns["format"] = pc.coalesce(named, columns["format"])


def _field(parts: pa.Array, place: int) -> pa.Array:
    return pc.if_else(parts.is_valid(), parts.field(place), _NULL)


def _logged(texts: pa.Array) -> pa.Array:
    """'-' and '' mean that nothing was logged."""
    return pc.if_else(pc.or_(pc.equal(texts, "-"), pc.equal(texts, "")), _NULL, texts)
