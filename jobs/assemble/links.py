"""Links: which request a trace belongs to, and the rows that therefore move from the one to the other.

An event with a request ID belongs to the request. An event with a trace ID alone belongs to the trace, unless some event carries both
IDs: then to that request. Traces are looked after where the trace ID leads; what belongs to a request is sent on to where the request
ID leads. So streams in which every event has the request ID, or none has, pay nothing, and nothing ever goes in a circle.

A trace may span several requests (a page load, a consumer): then the request that started first owns what carries the trace ID alone,
and the requests stay apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.assemble.interner import Interner
from jobs.assemble.rows import GONE, ROW, plain
from schemas.transaction import LINK
from udfs.hashing import hash_strings

__all__ = [
    "MOVED",
    "Moved",
    "Owners",
    "has_links",
    "links_of",
    "moved_rows",
    "moved_table",
    "owners_of",
    "split_traces",
    "without_gone",
]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_CODED = ("service", "environment", "route", "error")
_TEXTS = ("request", "trace", "span_text")
MOVED = pa.schema(
    [
        ("transaction_hash", pa.uint64()),
        ("high", pa.uint64()),
        ("low", pa.uint64()),
        ("again", pa.bool_()),
        ("row", pa.binary(ROW.itemsize)),
        *((name, pa.string()) for name in (*_CODED, *_TEXTS)),
    ]
)
"""Slim rows on their way to the transaction of a request."""


@dataclass(frozen=True)
class Moved:
    """Slim rows as the receiving state holds them."""

    rows: Records
    key: U64
    high: U64
    low: U64
    again: Mask
    """Repeats, which are only counted."""
    texts: pa.Array


@dataclass(frozen=True)
class Owners:
    """The request that owns each of some traces."""

    trace: U64
    key: U64
    transaction_id: pa.Array
    start_us: I64


def split_traces(events: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Events that have only a trace ID, and all others. Cost: a comparison of two columns; nothing is copied when all are alike."""
    request, trace = plain(events.column("request_id")), plain(events.column("trace_id"))
    alone = pc.fill_null(pc.and_(pc.equal(pc.fill_null(request, ""), ""), pc.not_equal(pc.fill_null(trace, ""), "")), False)
    count = pc.sum(alone).as_py() or 0
    if count == 0:
        return events.slice(0, 0), events
    if count == events.num_rows:
        return events, events.slice(0, 0)
    return events.filter(alone), events.filter(pc.invert(alone))


def has_links(events: pa.Table) -> bool:
    """Some event has both a request ID and a trace ID."""
    return bool(_with_both(events).any())


def links_of(events: pa.Table) -> pa.Table:
    """LINK: for each trace of events that also have a request ID, the one that started first.

    Cost: nothing but a look at the columns where no event has both.
    """
    chosen = np.flatnonzero(_with_both(events))
    if not len(chosen):
        return LINK.empty()
    trace = plain(events.column("trace_id"))
    few = events.select(["transaction_id", "transaction_hash", "timestamp", "arrived_at"])
    few = few if len(chosen) == events.num_rows else few.take(pa.array(chosen))
    start = pc.coalesce(few.column("timestamp").cast(pa.int64()), pc.multiply(few.column("arrived_at").cast(pa.int64()), 1000))
    links = pa.table(
        [
            pa.array(hash_strings(trace.take(pa.array(chosen)), 1)),
            few.column("transaction_id"),
            few.column("transaction_hash"),
            pc.fill_null(start, 0),
        ],
        schema=LINK.arrow,
    )
    return links.take(pa.array(_first_owners(links)))


def _with_both(events: pa.Table) -> Mask:
    request, trace = plain(events.column("request_id")), plain(events.column("trace_id"))
    both = pc.and_(pc.not_equal(pc.fill_null(request, ""), ""), pc.not_equal(pc.fill_null(trace, ""), ""))
    mask: Mask = both.to_numpy(zero_copy_only=False)
    return mask


def owners_of(links: pa.Table) -> Owners:
    """One owner per trace: the request that started first, then the smallest id."""
    links = links.take(pa.array(_first_owners(links)))
    return Owners(
        plain(links.column("trace_hash")).to_numpy(),
        plain(links.column("transaction_hash")).to_numpy(),
        plain(links.column("transaction_id")),
        plain(links.column("start_us")).to_numpy(),
    )


def _first_owners(links: pa.Table) -> I64:
    columns = [plain(links.column(name)).to_numpy() for name in ("transaction_hash", "start_us", "trace_hash")]
    order = np.lexsort(columns)
    trace = columns[2][order]
    return np.asarray(order[np.concatenate([[True], trace[1:] != trace[:-1]])]) if len(order) else order


def moved_table(rows: Records, slots: Records, again: Mask, strings: Interner, texts: dict[str, pa.Array]) -> pa.Table:
    """MOVED: rows for the owners in `slots` (one slot record per row)."""
    words = strings.array()
    columns: dict[str, Any] = {
        "transaction_hash": slots["owner_key"],
        "high": slots["owner_high"],
        "low": slots["owner_low"],
        "again": again,
        "row": pa.Array.from_buffers(pa.binary(ROW.itemsize), len(rows), [None, pa.py_buffer(rows.tobytes())]),
        **{name: words.take(pa.array(rows[name])) for name in _CODED},
        **texts,
    }
    return pa.table(
        [pa.array(columns[f.name]) if isinstance(columns[f.name], np.ndarray) else columns[f.name] for f in MOVED], schema=MOVED
    )


def moved_rows(moved: pa.Table, strings: Interner, text_base: int) -> Moved:
    """What `moved_table` wrote, in the codes and text positions of this state."""
    column = {f.name: plain(moved.column(f.name)) for f in MOVED}
    packed = column["row"]
    size = ROW.itemsize
    raw = packed.buffers()[1].slice(packed.offset * size, len(packed) * size) if len(packed) else b""
    rows = np.frombuffer(raw, ROW).copy()
    for name in _CODED:
        coded = column[name].dictionary_encode()
        rows[name] = strings.encode(coded.dictionary)[coded.indices.to_numpy()] if len(rows) else 0
    texts = pa.concat_arrays([column[name] for name in _TEXTS])
    for number, name in enumerate(_TEXTS):
        filled = pc.not_equal(column[name], "").to_numpy(zero_copy_only=False)
        rows[name] = np.where(filled, np.arange(len(rows)) + number * len(rows) + text_base, -1)
    numbers = {name: column[name].to_numpy() for name in ("transaction_hash", "high", "low")}
    again = column["again"].to_numpy(zero_copy_only=False)
    return Moved(rows, numbers["transaction_hash"], numbers["high"], numbers["low"], again, texts)


def without_gone(rows: Records, group: npt.NDArray[Any]) -> Mask:
    """bool[n]: rows that are events and were not taken back."""
    gone = rows["kind"] == GONE
    if not gone.any():
        return np.ones(len(rows), np.bool_)
    taken_back = np.unique(_pair(rows["via"][gone], group[gone]))
    came = np.isin(_pair(rows["via"], group), taken_back) & (rows["via"] != 0)
    left: Mask = ~gone & ~came
    return left


def _pair(via: U64, group: npt.NDArray[Any]) -> U64:
    with np.errstate(over="ignore"):
        mixed: U64 = (via ^ (group.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
        return mixed
