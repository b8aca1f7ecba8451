r"""Access logs of AWS Application Load Balancers, and of Classic ones (the same without the type before and the fields behind).

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html ("Access log entries"):
times in seconds, -1 where the request never reached the stage; `request_creation_time` is the start of the request.
https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html (the oldest end with the request).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.access_lines import start_access
from udfs.formats.cuts import Pieces, constant, cut_lines, equals, holds, logged, matches
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.times import read_time_texts

__all__ = ["looks_like", "parse"]

_TYPES = ("http", "https", "h2", "h3", "grpc", "grpcs", "ws", "wss")
_HINT = r"^(?:(?:https?|h2|h3|grpcs?|wss?) )?\d{4}-\d\d-\d\dT[0-9:.]+Z [^ ]+ [^ ]+:\d+ [^ ]+ -?\d"
_LINE = (
    r"^(?:(?P<type>https?|h2|h3|grpcs?|wss?) )?(?P<time>[^ ]+) [^ ]+ (?P<client>[^ ]+) [^ ]+ (?P<request_s>-?[\d.]+) (?P<target_s>-?[\d.]+)"
    r" (?P<response_s>-?[\d.]+) (?P<status>\d{3}|-) (?P<target_status>[^ ]+) -?\d+ (?P<size>-?\d{1,18}) \"(?P<request>.*?)\""
    r"(?: \"(?P<agent>(?:[^\"\\]|\\.)*)\" [^ ]+ [^ ]+(?: [^ ]+ \"(?P<trace>[^\"]*)\" \"(?P<domain>[^\"]*)\" \"[^\"]*\""
    r" [^ ]+ (?P<created>[^ ]+)(?: \"[^\"]*\" \"[^\"]*\" \"(?P<reason>[^\"]*)\")?)?(?: .*)?)?$"
)
_NUMBER = r"^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$"
_ROOT = "Root=1-"
_ROOT_BYTES = 40
_NONE_MS = pa.scalar(None, pa.float64())


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with type, time, balancer, client and target."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all.

    Cost: 2 us a line; 10-15 us for one with escaped quotes.
    """
    cut = cut_lines(lines, index, _quick, _LINE)
    fields = cut.fields
    created, time = fields["created"], fields["time"]
    absent = pc.or_(pc.equal(created, "-"), pc.equal(created, ""))
    start = pc.if_else(absent, time, created) if pc.any(absent).as_py() else created
    parsed = start_access(
        cut.line,
        "aws_alb",
        request=fields["request"],
        status=fields["status"],
        size=fields["size"],
        time=(*read_time_texts(start), start),
    )
    columns = parsed.columns
    columns["duration_ms"] = _sum_ms(parsed, fields["request_s"], fields["target_s"], fields["response_s"])
    columns["client_address"] = read_addresses(logged(fields["client"]), always_port=True)
    columns["user_agent_original"] = logged(fields["agent"])
    columns["server_address"] = pc.coalesce(columns["server_address"], logged(fields["domain"]))
    columns["upstream_status"] = logged(fields["target_status"])
    columns["error_reason"] = logged(fields["reason"])
    columns["trace_id"] = _trace_ids(fields["trace"])
    classic = pc.equal(fields["type"], "")
    if pc.any(classic).as_py():
        columns["format"] = pc.if_else(classic, "aws_elb", columns["format"])
    return parsed, cut.taken


def _quick(lines: pa.Array) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    cut = Pieces(lines, '"', 16)
    head = Pieces(cut.at(0), " ")  # counted from the end, the fields of both balancers stand in the same places
    alb = (cut.count == 17) & (head.count == 13)
    elb = (cut.count == 5) & (head.count == 12)
    sure = (alb | elb) & equals(cut.at(2), " ") & ~holds(lines, '\\"')
    names = ("size", None, "target_status", "status", "response_s", "target_s", "request_s", None, "client", None, "time")
    fields = {name: head.at(-2 - place).fill_null("") for place, name in enumerate(names) if name}
    kind = head.at(0)
    sure &= equals(kind, *_TYPES) | elb
    fields["type"] = pc.if_else(pa.array(elb), "", kind)
    fields["request"], fields["agent"] = cut.at(1).fill_null(""), cut.at(3).fill_null("")
    if alb.any():
        behind = Pieces(cut.at(10).fill_null(""), " ")  # ' priority created '
        sure &= elb | ((behind.count == 4) & equals(cut.at(6), " ") & equals(cut.at(8), " "))
        found = {"created": behind.at(2), "trace": cut.at(5), "domain": cut.at(7), "reason": cut.at(15)}
        fields.update({name: texts.fill_null("") for name, texts in found.items()})
    else:
        fields.update(dict.fromkeys(("created", "trace", "domain", "reason"), constant("", len(lines))))
    sure &= matches(fields["status"], r"^(?:\d{3}|-)$") & matches(fields["size"], r"^-?\d{1,18}$")
    return fields, sure


def _trace_ids(traces: pa.Array) -> pa.Array:
    """'Root=1-58337281-1d84f3d73c47ec4e58577259' holds the 32 digits of the W3C id; other ids stay as they are."""
    usual = pc.and_(pc.starts_with(traces, _ROOT), pc.equal(pc.binary_length(traces), _ROOT_BYTES))
    usual = pc.and_(usual, pc.invert(pc.match_substring(traces, ";")))
    usual = pc.and_(usual, pc.string_is_ascii(traces))  # a cut by bytes must not go through a letter
    raw = pc.if_else(usual, traces, "").cast(pa.binary())
    joined = pc.binary_join_element_wise(pc.binary_slice(raw, 7, 15), pc.binary_slice(raw, 16, 40), b"").cast(pa.string())
    if pc.all(usual, min_count=0).as_py():
        return joined
    root = pc.replace_substring_regex(traces, r"^(?:.*;)?\s*Root=([^;]*).*$", r"\1")
    root = pc.replace_substring_regex(root, r"^1-([0-9a-f]{8})-([0-9a-f]{24})$", r"\1\2")
    return logged(pc.if_else(usual, joined, root))


def _sum_ms(parsed: Parsed, *times_s: pa.Array) -> pa.Array:
    """Sum of the three times; null when a stage was not reached (-1)."""
    total = pa.scalar(0.0)
    reached = pa.scalar(True)
    for texts in times_s:
        try:
            values = texts.cast(pa.float64())
        except pa.ArrowInvalid:
            values = pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, "-2").cast(pa.float64())
        good = pc.or_(pc.greater_equal(values, 0.0), pc.equal(values, -1.0))
        parsed.refuse(pc.invert(good).to_numpy(zero_copy_only=False), "invalid_duration", texts)
        total = pc.add(total, values)
        reached = pc.and_(reached, pc.greater_equal(values, 0.0))
    return pc.if_else(reached, pc.round(pc.multiply(total, 1e3), 6), _NONE_MS)
