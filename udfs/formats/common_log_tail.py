r"""What configurations add behind a common or combined line: durations, request ids, the forwarded address.

https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/ (`$request_length $request_time [upstream] [..]
.. $req_id`), https://doc.traefik.io/traefik/observability/access-logs/ (CLF: request count, router, server URL, `..ms`),
https://httpd.apache.org/docs/2.4/mod/mod_log_config.html (`%D` us, `%T/%D`; `%I %O` bytes), nginx `main` ("$http_x_forwarded_for"),
nginx times (`$request_time $upstream_response_time`, rt=..), Kong (`kong_request_id: ".."`), API Gateway's CLF template (a request id),
HAProxy's `option httplog clf`, https://docs.haproxy.org/3.0/configuration.html#8.2.3.

Bare numbers say what they are by their form: three decimals are nginx's seconds, one integer alone is Apache's `%D`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.cuts import Pieces, equals, few_match, holds, matches, where
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import is_address

__all__ = ["read_tails"]

_DECIMALS = r"^\d{1,9}\.\d{3}$"
_INTEGER = r"^\d{1,15}$"
_ID = r"^(?:[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$"
_NO_ID = r"^(?:-|\d{1,3})?$"
_FORWARDED = r"^(?: \"[^\"0-9A-Fa-f:.][^\"]*\")?(?: (?:[a-z_]+|[Xx]-[A-Za-z-]+)[=:])? ?\"(?P<value>[0-9A-Fa-f.:]+)(?:, ?[^\"]*)?\""
_SECONDS = (
    r"^(?:.* )?\"?(?:rt|request_time|req_time)[=: ] ?\"?(?P<named>\d+(?:\.\d+)?)\"?(?:[ ,;]|$)"
    r"|^(?: \d+)? \"?(?P<bare>\d+\.\d{3})\"?(?: |$)|^ \"[^\"]*\" \"?(?P<second>\d+\.\d{3})\"?(?: |$)"
)
_REQUEST_ID = (
    r"^(?:.*(?:request_?id|req_?id|rid|correlation_?id|X-Request-ID)\"?[=:] ?\"?(?P<named>[0-9A-Za-z][0-9A-Za-z_.:+/=@-]{4,127})"
    r"|(?:.* )?\"?(?P<bare>[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\"?(?: |$))"
)
_TRACE_ID = r"(?:trace_?id|traceparent|trace)\"?[=:] ?\"?(?:[0-9a-f]{2}-)?(?P<value>[0-9a-f]{32})(?:-(?P<span>[0-9a-f]{16}))?"
_HOST = r"(?:^| )(?:http_)?host[=:] ?\"?(?P<value>[A-Za-z0-9][A-Za-z0-9.:-]*)"
_HAPROXY_CLF = r"^ \d+ \d{1,3} \"[^\"]*\" \"[^\"]*\" \"[^\"]*\" -?\d+ -?\d+ -?\d+ -?\d+ \+?(?P<value>\d+) "
_TEXTS = ("request_id", "client_address", "trace_id", "span_id", "server_address", "format", "upstream_status")


class _Tails:
    """Columns of the lines that have a tail, filled piece by piece; what is filled first stays."""

    def __init__(self, n: int) -> None:
        self.milliseconds = pa.nulls(n, pa.float64())
        self.texts = {name: pa.nulls(n, pa.string()) for name in _TEXTS}

    def fill_ms(self, mask: NDArray[Any], texts: pa.Array, unit_ms: float) -> None:
        """Durations from texts that are sure to be numbers where `mask`."""
        if mask.any():
            values = pc.round(pc.multiply(where(mask, texts).cast(pa.float64()), unit_ms), 9)
            self.milliseconds = pc.coalesce(self.milliseconds, values)

    def fill(self, name: str, mask: NDArray[Any], texts: pa.Array) -> None:
        """A text column where `mask`."""
        if mask.any():
            self.texts[name] = pc.coalesce(self.texts[name], where(mask, texts))

    def name(self, mask: NDArray[Any], name: str) -> None:
        """The format's name where `mask`."""
        if mask.any():
            self.texts["format"] = pc.if_else(pa.array(mask), name, self.texts["format"])


def read_tails(parsed: Parsed, rest: pa.Array, combined: NDArray[Any]) -> None:
    """Fill the columns of an access line from what stands behind its known fields.

    Parameters
    ----------
    rest : '' or ' ...', the end of each line
    combined : bool[n], whether referer and user agent stood before it

    Cost: nothing for lines without a tail, 0.5 us for usual ones, 2-3 us for others.
    """
    some = ~equals(rest, "")
    if not some.any():
        return
    every = bool(some.all())
    few = rest if every else rest.filter(pa.array(some))
    tails = _Tails(len(few))
    odd = _read_usual(tails, few, combined[some])
    if odd.any():
        _read_odd(tails, few, odd)
    columns = parsed.columns
    columns["duration_ms"] = _spread(tails.milliseconds, some)
    for name, array in tails.texts.items():
        if array.null_count < len(array):
            spread = _spread(array, some)
            columns[name] = pc.coalesce(spread, columns[name]) if name in columns else spread


def _spread(few: pa.Array, some: NDArray[Any]) -> pa.Array:
    if some.all():
        return few
    index = np.cumsum(some) - 1
    return few.take(pa.array(index, mask=~some))


def _read_usual(tails: _Tails, rest: pa.Array, combined: NDArray[Any]) -> NDArray[Any]:
    """Tails known by their first words; gives the rows that are left."""
    words = Pieces(rest, " ")
    first, second, last = words.at(1), words.at(2), words.at(-1)
    integer = matches(first, _INTEGER)
    seconds = matches(first, _DECIMALS)
    ingress = integer & (words.count >= 8) & pc.starts_with(words.at(3), "[").fill_null(False).to_numpy(zero_copy_only=False)
    if ingress.any():
        ingress &= matches(second, r"^\d+\.\d+$")
        tails.fill_ms(ingress, second, 1e3)
        quoted = pc.starts_with(last, '"').to_numpy(zero_copy_only=False)  # one more value of the user's behind
        tails.fill("request_id", ingress & ~quoted & ~matches(last, _NO_ID), last)
        if quoted.any():
            tails.fill("request_id", ingress & quoted & matches(words.at(-2), _ID), words.at(-2))
        for place in (-2, -1):  # the last where no request id follows
            status = words.at(place)
            tails.fill("upstream_status", ingress & few_match(status, r"^\d{3}$"), status)
        tails.name(ingress, "nginx_ingress")
    traefik = integer & ~ingress & pc.ends_with(last, "ms").to_numpy(zero_copy_only=False) & (words.count >= 5)
    if traefik.any():
        traefik &= matches(last, r"^\d+ms$")
        tails.fill_ms(traefik, pc.replace_substring_regex(where(traefik, last), "ms$", ""), 1.0)
        tails.name(traefik, "traefik")
    alone = words.count == 2
    tails.fill_ms(integer & alone, first, 1e-3)
    tails.fill_ms(seconds, first, 1e3)
    pair = (words.count == 3) & integer & matches(second, _INTEGER)
    if pair.any():
        _read_pair(tails, pair, first, second)
    named = ~integer & ~seconds & matches(first, _ID)
    tails.fill("request_id", named, first)
    tails.name(named & ~combined & (words.count <= 3), "aws_apigateway")
    keyed = (words.count == 3) & few_match(first, r"^(?:kong_)?request_id[:=]$")
    if keyed.any():
        tails.fill("request_id", keyed, pc.utf8_trim(second, '"'))
    done = keyed | ingress | traefik | (alone & (integer | seconds | named)) | pair
    done |= seconds & (words.count == 3)
    done |= named & ~combined & (words.count <= 3)
    done |= alone & equals(first, "-")
    result: NDArray[Any] = ~done
    return result


def _read_pair(tails: _Tails, pair: NDArray[Any], first: pa.Array, second: pa.Array) -> None:
    """`%T %D` and `%D %T` are told from `%I %O` (bytes) by one being the other in seconds."""
    one = where(pair, first).cast(pa.int64()).fill_null(1).to_numpy(zero_copy_only=False)
    two = where(pair, second).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    tails.fill_ms(pair & (two // 1_000_000 == one), second, 1e-3)
    tails.fill_ms(pair & (one // 1_000_000 == two) & (two // 1_000_000 != one), first, 1e-3)


def _read_odd(tails: _Tails, rest: pa.Array, odd: NDArray[Any]) -> None:
    """Tails of other configurations: by named keys, else by the form of the values."""
    few = rest.filter(pa.array(odd))
    n = len(few)

    def put(name: str, pattern: str, *groups: str) -> pa.Array:
        parts = pc.extract_regex(few, pattern)
        found = [_valid(parts, group) for group in groups]
        value = pc.coalesce(*found) if len(found) > 1 else found[0]
        if name and value.null_count < n:
            _put(tails, name, odd, value)
        return value

    if holds(few, "/").any():
        both = pc.extract_regex(few, r"^ \**\d+/(?P<us>\d+)\**(?: |$)")
        if both.null_count < n:
            tails.milliseconds = _coalesce_ms(tails.milliseconds, odd, _valid(both, "us"), 1e-3)
    clf = pc.extract_regex(few, _HAPROXY_CLF)
    if clf.null_count < n:
        tails.milliseconds = _coalesce_ms(tails.milliseconds, odd, _valid(clf, "value"), 1.0)
    parts = pc.extract_regex(few, _SECONDS)
    if parts.null_count < n:
        seconds = pc.coalesce(*(_valid(parts, group) for group in ("named", "bare", "second")))
        tails.milliseconds = _coalesce_ms(tails.milliseconds, odd, seconds, 1e3)
    put("request_id", _REQUEST_ID, "named", "bare")
    if holds(few, "trace").any():
        put("trace_id", _TRACE_ID, "value")
        put("span_id", _TRACE_ID, "span")
    if holds(few, "host").any():
        put("server_address", _HOST, "value")
    address = put("", _FORWARDED, "value")
    _put(tails, "client_address", odd, pc.if_else(is_address(address).fill_null(False), address, pa.scalar(None, pa.string())))


def _put(tails: _Tails, name: str, odd: NDArray[Any], few: pa.Array) -> None:
    tails.texts[name] = pc.coalesce(tails.texts[name], _spread(few, odd))


def _valid(parts: pa.Array, group: str) -> pa.Array:
    texts = parts.field(group)
    return pc.if_else(pc.and_(parts.is_valid(), pc.not_equal(texts, "")), texts, pa.scalar(None, pa.string()))


def _coalesce_ms(milliseconds: pa.Array, odd: NDArray[Any], texts: pa.Array, unit_ms: float) -> pa.Array:
    values = pc.round(pc.multiply(texts.cast(pa.float64()), unit_ms), 9)
    return pc.coalesce(milliseconds, _spread(values, odd))
