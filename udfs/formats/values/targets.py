"""Request lines and targets: method, path, query and host."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Target", "read_request_lines", "read_targets"]

# RFC 9112: method SP target SP version. A target with blanks in it is kept whole: servers log what they got.
_REQUEST = r"^(?P<method>[A-Za-z][A-Za-z0-9_-]{0,31}) +(?P<target>\S(?:.*\S)?) +[A-Za-z]{2,8}/\d+(?:\.\d+)?$"
_PARTS = r"(?s)^(?:[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#]*))?(?P<path>[^?]*)(?:\?(?P<query>.*))?$"
_TEXT = pa.string()


class Target(NamedTuple):
    """Parts of request targets; null where a part is not there."""

    method: pa.Array
    path: pa.Array
    query: pa.Array
    host: pa.Array


def read_request_lines(lines: pa.Array) -> Target:
    """Split 'METHOD TARGET PROTOCOL' lines; all four are null for anything else (TLS bytes, junk, '-').

    Cost: two regular expressions a line, about 1 us.
    """
    parts = pc.extract_regex(lines, _REQUEST)
    method, target = parts.field(0), parts.field(1)
    if parts.null_count:
        method, target = _where_valid(method, parts), _where_valid(target, parts)
    split = read_targets(target)
    tunnel = pc.equal(method, "CONNECT").fill_null(False)
    if pc.any(tunnel).as_py():  # names a host and port, no path
        path = pc.if_else(tunnel, pa.scalar(None, _TEXT), split.path)
        return Target(method, path, split.query, pc.if_else(tunnel, target, split.host))
    return Target(method, split.path, split.query, split.host)


def read_targets(targets: pa.Array) -> Target:
    """Split targets: '/a?b=c', 'https://host:443/a?b=c', '*'. `method` is null.

    An absolute URL without path has the path '/'. Credentials before an '@' of the host are dropped.
    """
    n = len(targets)
    nothing = pa.nulls(n, _TEXT)
    plain = pc.invert(pc.or_(pc.match_substring(targets, "?"), pc.match_substring(targets, "://")))
    if pc.all(plain, min_count=0).as_py():
        return Target(nothing, targets, nothing, nothing)
    parts = pc.extract_regex(targets, _PARTS)
    host, path, query = (_where_valid(part, parts) for part in parts.flatten())
    host = _not_empty(host)
    # An absolute URL need not name a path: its root is meant.
    path = pc.if_else(pc.and_(pc.equal(path, ""), host.is_valid()), "/", path)
    return Target(nothing, _not_empty(path), _not_empty(query), host)


def _where_valid(part: pa.Array, parts: pa.Array) -> pa.Array:
    return pc.if_else(parts.is_valid(), part, pa.scalar(None, _TEXT))


def _not_empty(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, _TEXT), texts)
