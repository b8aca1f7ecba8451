r"""Envelopes around a line of text: what containers and syslog put before it.

Kubernetes CRI (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md: time, stream, tag 'F' or 'P'
(a part of a line), line), syslog RFC 5424 and RFC 3164 (https://www.rfc-editor.org/rfc/rfc5424, rfc3164), and the form in which rsyslog
writes files (ISO time, host, tag). RFC 3164 names no year and no zone, so that its time is not used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.cuts import Pieces, cut_lines, equals, few_match, logged, matches
from udfs.formats.values.times import read_time_texts

__all__ = ["Wrapped", "read_cri", "read_syslog", "read_tagged"]

_TAG = r"^[FP](?::.*)?$"
_HOST = r"[^ :\[\]\"]+|[0-9A-Fa-f:]+"
_TAG_PID = r"(?P<app>[^ :\[\]\"]{1,64})(?:\[(?P<pid>[^\]]*)\])?:"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]?\d(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d+)?"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_RFC3164 = (
    rf"^(?:<(?P<pri>\d{{1,3}})>)?(?:{_MONTH}|(?P<time>{_ISO})) (?:(?:(?P<host>{_HOST}) )?{_TAG_PID}|(?P<bare>{_HOST}))(?: (?P<line>.*))?$"
)
_LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "stdout", "stderr")
_RFC5424 = (
    r"^<(?P<pri>\d{1,3})>1 (?P<time>[^ ]+) (?P<host>[^ ]+) (?P<app>[^ ]+) (?P<pid>[^ ]+) [^ ]+"
    r" (?:-|(?:\[(?:[^\]\"\\]|\"(?:[^\"\\]|\\.)*\")*\])+)(?: (?:\x{FEFF})?(?P<line>.*))?$"
)
_TAGGED = r"^(?:(?P<host>[^ :\[\]\"={}]+) )?(?P<app>[A-Za-z][\w./-]{0,63})(?:\[\d+\])?: +(?P<line>\S.*)$"
_WIDTH = 16
_SEVERITIES = pa.array(["FATAL", "FATAL", "FATAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG"])


class Wrapped(NamedTuple):
    """Lines taken out of their envelopes, with what these told."""

    name: str
    """Of the envelope: the format of lines that are no access lines."""
    lines: pa.Array
    """string[m]: the lines within."""
    rows: NDArray[Any]
    """int64[m]: places of the envelopes among the lines offered."""
    columns: dict[str, pa.Array]
    """Columns of `EVENT` (and hints) for lines that do not tell them themselves."""
    partial: NDArray[Any]
    """bool[m]: only a part of a line."""


def read_cri(lines: pa.Array) -> Wrapped:
    """Lines of '2026-03-12T10:11:12.123456789Z stdout F ...'. Cost: 0.5 us a line."""
    cut = Pieces(lines, " ", 3)
    tag = cut.at(2).fill_null("")
    rows = np.flatnonzero((cut.count >= 3) & equals(cut.at(1), "stdout", "stderr") & few_match(tag, _TAG))
    every = len(rows) == len(lines)
    chosen = [array if every else array.take(pa.array(rows)) for array in (cut.at(0), tag, cut.at(3).fill_null(""))]
    times, _ = read_time_texts(chosen[0])
    return Wrapped("cri", chosen[2], rows, {"timestamp": times}, pc.starts_with(chosen[1], "P").to_numpy(zero_copy_only=False))


def read_syslog(lines: pa.Array) -> list[Wrapped]:
    """Lines of syslog messages of both kinds. Cost: 1-2 us a line."""
    modern = matches(lines, r"^<\d{1,3}>1 ")
    found = []
    for rows, quick, pattern in ((np.flatnonzero(modern), _quick_5424, _RFC5424), (np.flatnonzero(~modern), _quick_3164, _RFC3164)):
        if len(rows):
            cut = cut_lines(lines if len(rows) == len(lines) else lines.take(pa.array(rows)), rows, quick, pattern)
            fields, rows = (cut.fields, cut.line) if quick is _quick_5424 else _without_doubtful(cut.fields, cut.line)
            if len(rows):
                found.append(_unwrap(fields, rows))
    return found


def read_tagged(lines: pa.Array) -> Wrapped:
    """Lines of 'nginx: ...', 'haproxy[7]: ...' and 'web1 nginx: ...': a syslog message whose time something in between has cut off.

    Many other lines look like this, so that only those with a known line behind the tag count. Cost: 1 us a line.
    """
    parts = pc.extract_regex(lines, _TAGGED)
    rows = np.flatnonzero(parts.is_valid().to_numpy(zero_copy_only=False))
    chosen = parts.take(pa.array(rows))
    host, app, line = chosen.flatten()
    return Wrapped("syslog", line, rows, {"host_name": logged(host), "service_name": app}, np.zeros(len(rows), bool))


def _quick_5424(lines: pa.Array) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    """Messages without structured data."""
    cut = Pieces(lines, " ", 7)
    line = cut.at(7).fill_null("")
    sure = (cut.count >= 7) & equals(cut.at(6), "-") & ~pc.starts_with(line, "\ufeff").to_numpy(zero_copy_only=False)
    fields = {name: cut.at(place).fill_null("") for place, name in enumerate(("time", "host", "app"), 1)}
    return {"pri": Pieces(pc.utf8_ltrim(cut.at(0), "<"), ">").at(0), **fields, "line": line}, sure


def _quick_3164(lines: pa.Array) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    """Messages with a time of fixed width, with or without a host before the tag."""
    n = len(lines)
    angled = pc.starts_with(lines, "<")
    halves = Pieces(lines, ">", 1)
    rest = pc.if_else(angled, halves.at(1).fill_null(""), lines)
    if not pc.all(pc.string_is_ascii(rest)).as_py():  # a cut by bytes must not go through a letter
        rest = pc.if_else(pc.match_substring_regex(rest, rf"^[\x00-\x7f]{{{_WIDTH}}}"), rest, "")
    raw = rest.cast(pa.binary())
    words = Pieces(pc.binary_slice(raw, _WIDTH, 2**31 - 1).cast(pa.string()), " ", 2)
    first, second = words.at(0), words.at(1).fill_null("")
    tagged = pc.ends_with(first, ":").to_numpy(zero_copy_only=False)
    hosted = ~tagged & pc.ends_with(second, ":").to_numpy(zero_copy_only=False) & matches(first, rf"^(?:{_HOST})$")
    sure = (tagged | hosted) & few_match(pc.binary_slice(raw, 0, _WIDTH).cast(pa.string()), rf"^(?:{_MONTH}) $")
    tag = Pieces(pc.utf8_rtrim(pc.if_else(pa.array(tagged), first, second), ":"), "[")
    app = tag.at(0)
    sure &= ~equals(app, "") & ~matches(app, r"[:\]\"]") & (tag.count <= 2) & ~(tagged & (words.count == 3) & equals(words.at(2), ""))
    pri = pc.if_else(angled, pc.utf8_ltrim(halves.at(0), "<"), "")
    sure &= few_match(pri, r"^\d{0,3}$")
    tail = words.at(2).fill_null("")
    if tagged.any():
        spaced = pc.binary_join_element_wise(second, tail, " ")
        tail = pc.if_else(pa.array(tagged), pc.if_else(pa.array(words.count == 3), spaced, second), tail)
    nothing = pa.repeat(pa.scalar(""), n)
    fields = {"pri": pri, "time": nothing, "host": pc.if_else(pa.array(hosted), first, ""), "app": app, "bare": nothing, "line": tail}
    return fields, sure


def _without_doubtful(fields: dict[str, pa.Array], rows: NDArray[Any]) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    """Without a priority, what has an ISO time but no tag, or a level for a host, is an application's own line."""
    iso = ~equals(fields["time"], "") & equals(fields["pri"], "")
    # 'time host {..}': some senders write no tag before their JSON.
    untagged = equals(fields["app"], "") & ~(matches(fields["line"], r"^ *\{") & ~equals(fields["bare"], *_LEVELS))
    doubtful = iso & (untagged | equals(fields["host"], *_LEVELS) | equals(fields["app"], *_LEVELS))
    fields["host"] = pc.if_else(pc.equal(fields["host"], ""), fields["bare"], fields["host"])
    if not doubtful.any():
        return fields, rows
    keep = pa.array(~doubtful)
    return {name: array.filter(keep) for name, array in fields.items()}, rows[~doubtful]


def _unwrap(fields: dict[str, pa.Array], rows: NDArray[Any]) -> Wrapped:
    columns = {"host_name": logged(fields["host"]), "service_name": logged(fields["app"])}
    columns["k8s_pod_name"] = columns["host_name"]
    times = logged(fields["time"])
    if times.null_count < len(times):
        columns["timestamp"], _ = read_time_texts(times)
    priorities = logged(fields["pri"])
    if priorities.null_count < len(priorities):
        columns["severity_text"] = _SEVERITIES.take(pc.bit_wise_and(priorities.cast(pa.int32()), 7))
    lines = pc.replace_substring_regex(fields["line"], r"^@cee: ?", "")
    return Wrapped("syslog", lines, rows, columns, np.zeros(len(rows), bool))
