"""Which formats lines are of, and how many of them bear the fields that each kind of analysis needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.event import RAW
from udfs.normalise import NormaliseSettings, normalise

__all__ = ["NEEDS", "Diagnosis", "FormatFound", "Need", "examine"]

# No log can bear it: tells a time that was filled in from one that was logged.
_NEVER_MS = -1


@dataclass(frozen=True)
class Need:
    """What one kind of analysis asks of a line."""

    name: str
    fields: tuple[str, ...]
    any_of: bool
    """One of the fields is enough; else all are needed."""
    without: str
    """What follows where it is missing."""
    kinds: tuple[str, ...] = ("access", "span")


NEEDS = (
    Need("time", ("timestamp",), True, "the time of arrival is taken, which is late and out of order", ("access", "span", "log")),
    Need("transactions", ("request_id", "trace_id"), True, "each line is a transaction of its own: hops of a request are not joined"),
    Need("latency", ("duration_ms",), True, "no latency is measured: slow requests are not seen"),
    Need("errors", ("http_response_status_code",), True, "no errors are counted", ("access",)),
    Need("clients", ("client_address", "user_agent_original"), False, "who calls is not known, or not by which program", ("access",)),
    Need("routes", ("url_path", "http_route"), True, "there are no routes: all requests of the service are one", ("access",)),
    Need("services", ("service_name", "server_address"), True, "all lines of the topic count as one unnamed service"),
)


@dataclass
class FormatFound:
    """Lines of one format and how many have what."""

    name: str
    events: int
    shares: dict[str, float] = field(default_factory=dict)
    """Field -> share of the events that have it."""
    missing: list[tuple[Need, float]] = field(default_factory=list)
    """Needs that not all events meet, with the share that does."""
    met: list[Need] = field(default_factory=list)


@dataclass
class Diagnosis:
    """What was found in a sample."""

    lines: int
    formats: list[FormatFound]
    metric_points: int
    refused: dict[str, int]
    """Reason -> lines."""
    examples: dict[str, bytes]
    """Reason -> one such line."""


def examine(lines: Sequence[bytes], settings: NormaliseSettings) -> Diagnosis:
    """Read the lines and count. Most frequent formats first."""
    n = len(lines)
    raw = pa.table(
        [
            pa.array(lines, pa.binary()),
            pa.repeat(pa.scalar(""), n),
            pa.array(np.zeros(n, np.int32)),
            pa.array(np.arange(n)),
            pa.array(np.full(n, _NEVER_MS)),
        ],
        schema=RAW.arrow,
    )
    out = normalise(raw, settings)
    counts = sorted(out.events["format"].value_counts().to_pylist(), key=lambda item: (-item["counts"], item["values"]))
    formats = [_found(out.events.filter(pc.equal(out.events["format"], item["values"])), item["values"]) for item in counts]
    refused = sorted(out.dead_letters["reason"].value_counts().to_pylist(), key=lambda item: -item["counts"])
    examples = {
        item["values"]: out.dead_letters["original"][pc.index(out.dead_letters["reason"], item["values"]).as_py()].as_py()
        for item in refused
    }
    return Diagnosis(n, formats, out.metric_points.num_rows, {item["values"]: item["counts"] for item in refused}, examples)


def _found(events: pa.Table, name: str) -> FormatFound:
    found = FormatFound(name, events.num_rows)
    for need in NEEDS:
        chosen = events.filter(pc.is_in(events["kind"], pa.array(need.kinds)))
        if not chosen.num_rows:
            continue
        has = [_has(chosen, column) for column in need.fields]
        for column, mask in zip(need.fields, has, strict=True):
            found.shares[column] = float(mask.mean())
        met = float((np.logical_or if need.any_of else np.logical_and).reduce(has).mean())
        if met < 1:
            found.missing.append((need, met))
        else:
            found.met.append(need)
    return found


def _has(events: pa.Table, name: str) -> np.ndarray:  # type: ignore[type-arg]
    column = events[name]
    if pa.types.is_timestamp(column.type):
        return pc.greater_equal(column.cast(pa.int64()), 0).to_numpy()  # type: ignore[no-any-return]
    present = column.is_valid()
    if pa.types.is_string(column.type):
        present = pc.and_(present, pc.not_equal(pc.fill_null(column, ""), ""))
    return present.to_numpy()  # type: ignore[no-any-return]
