"""Access logs of AWS Application Load Balancers, and of Classic ones (the same without the type before and the fields behind).

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html ("Access log entries"):
times in seconds, -1 where the request never reached the stage; `request_creation_time` is the start of the request.
https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.common_log import read_status_texts
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.targets import read_request_lines
from udfs.formats.values.times import read_time_texts

__all__ = ["looks_like", "parse"]

_HINT = r"^(?:(?:https?|h2|h3|grpcs?|wss?) )?\d{4}-\d\d-\d\dT[0-9:.]+Z [^ ]+ [^ ]+:\d+ [^ ]+ -?\d"
_LINE = (
    r"^(?:(?:https?|h2|h3|grpcs?|wss?) )?(?P<time>[^ ]+) [^ ]+ (?P<client>[^ ]+) [^ ]+ (?P<request_s>-?[\d.]+) (?P<target_s>-?[\d.]+)"
    r" (?P<response_s>-?[\d.]+) (?P<status>\d{3}|-) [^ ]+ -?\d+ (?P<size>-?\d{1,18}) \"(?P<request>.*?)\" \"(?P<agent>(?:[^\"\\]|\\.)*)\""
    r" [^ ]+ [^ ]+(?: [^ ]+ \"(?P<trace>[^\"]*)\" \"[^\"]*\" \"[^\"]*\" [^ ]+ (?P<created>[^ ]+)(?: .*)?)?$"
)
_NUMBER = r"^(?:-1|\d+(?:\.\d+)?|\.\d+)$"
_NULL = pa.scalar(None, pa.string())


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with type, time, balancer, client and target."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 5-8 us a line."""
    parts = pc.extract_regex(lines, _LINE)
    matched = parts.is_valid()
    taken = matched.to_numpy(zero_copy_only=False)
    if not taken.all():
        parts, index = parts.filter(matched), index[taken]
    time, client, request_s, target_s, response_s, status, size, request, agent, trace, created = parts.flatten()
    parsed = Parsed(index)
    start = pc.if_else(pc.or_(pc.equal(created, "-"), pc.equal(created, "")), time, created)
    timestamp, bad = read_time_texts(start)
    parsed.refuse(bad, "invalid_timestamp", start)
    target = read_request_lines(request)
    # '1-58337281-1d84f3d73c47ec4e58577259' holds the 32 digits of the W3C id; other ids stay as they are.
    root = pc.replace_substring_regex(trace, r"^(?:.*;)?\s*Root=([^;]*).*$", r"\1")
    root = pc.replace_substring_regex(root, r"^1-([0-9a-f]{8})-([0-9a-f]{24})$", r"\1\2")
    parsed.columns.update(
        timestamp=timestamp,
        http_request_method=target.method,
        url_path=target.path,
        url_query=target.query,
        http_response_status_code=read_status_texts(parsed, status),
        http_response_body_size=_size(size),
        duration_ms=_sum_ms(parsed, request_s, target_s, response_s),
        client_address=read_addresses(_logged(client), always_port=True),
        user_agent_original=_logged(agent),
        server_address=target.host,
        trace_id=_logged(root),
        format=pa.repeat(pa.scalar("aws_alb"), len(index)),
        kind=pa.repeat(pa.scalar("access"), len(index)),
    )
    return parsed, taken


def _sum_ms(parsed: Parsed, *times_s: pa.Array) -> pa.Array:
    """Sum of the three times; null when a stage was not reached (-1)."""
    total = pa.scalar(0.0)
    reached = pa.scalar(True)
    for texts in times_s:
        number = pc.match_substring_regex(texts, _NUMBER)
        parsed.refuse(pc.invert(number).to_numpy(zero_copy_only=False), "invalid_duration", texts)
        values = pc.if_else(number, texts, "0").cast(pa.float64())
        total = pc.add(total, values)
        reached = pc.and_(reached, pc.greater_equal(values, 0.0))
    return pc.if_else(reached, pc.round(pc.multiply(total, 1e3), 6), pa.scalar(None, pa.float64()))


def _size(texts: pa.Array) -> pa.Array:
    sizes = texts.cast(pa.int64())
    return pc.if_else(pc.less(sizes, 0), pa.scalar(None, pa.int64()), sizes)


def _logged(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.or_(pc.equal(texts, "-"), pc.equal(texts, "")), _NULL, texts)
