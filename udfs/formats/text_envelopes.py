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

from udfs.formats.cuts import Pieces, equals, few_match, logged, match_lines, matches
from udfs.formats.values.times import read_time_texts

__all__ = ["Wrapped", "read_cri", "read_syslog"]

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
    for rows, pattern in ((np.flatnonzero(modern), _RFC5424), (np.flatnonzero(~modern), _RFC3164)):
        if len(rows):
            fields, matched = match_lines(lines if len(rows) == len(lines) else lines.take(pa.array(rows)), pattern)
            rows = rows[matched]
            if pattern is _RFC3164:
                fields, rows = _without_doubtful(fields, rows)
            if len(rows):
                found.append(_unwrap(fields, rows))
    return found


def _without_doubtful(fields: dict[str, pa.Array], rows: NDArray[Any]) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    """Without a priority, what has an ISO time but no tag, or a level for a host, is an application's own line."""
    iso = ~equals(fields["time"], "") & equals(fields["pri"], "")
    doubtful = iso & (equals(fields["app"], "") | equals(fields["host"], *_LEVELS) | equals(fields["app"], *_LEVELS))
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
