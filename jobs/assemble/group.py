"""Rows of many transactions to TRANSACTION rows, one pass over columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.assemble.calls import calls_of, depth_of, lists, retries_of
from jobs.assemble.interner import Interner
from jobs.assemble.rows import ACCESS, CALLING, LOG, SPAN
from jobs.assemble.slots import MERGED
from jobs.assemble.tree import Tree, grow
from jobs.assemble.witness import Witness
from schemas.transaction import CLOSURE_REASONS, ORPHAN_KINDS, TRANSACTION
from udfs.hashing import hex_ids

__all__ = ["summarise", "time_order"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def time_order(rows: Records, group: npt.NDArray[Any]) -> I64:
    """Order by group, then start, then the longer duration (the outer hop contains the inner), then content.

    It rests on content alone, so any order of arrival gives the same first event.
    """
    duration = rows["duration_ms"]
    shorter = np.where(np.isnan(duration), 0.0, -duration)
    return np.asarray(np.lexsort((rows["content"], shorter, rows["start_us"], group)))


def summarise(
    rows: Records, group: I64, slots: Records, strings: Interner, text_at: Callable[[I64], pa.Array], witness: Witness
) -> pa.Table:
    """One TRANSACTION row per group: the place where a closed or amended transaction is put into words.

    Parameters
    ----------
    rows : ROW[n], distinct events, ordered by `time_order`
    group : int64[n], ascending; every group 0..m-1 has a row
    slots : SLOT[m], ids, counts and times of the transactions
    strings : the codes in the rows
    text_at : texts at positions (-1 = '')
    witness : says why something is missing

    The event that speaks for a transaction (service, route, environment) is its root; without one, the earliest access line, else
    the earliest span, else the earliest log record.

    Cost: about 1 microsecond a row.
    """
    if not len(slots):
        return TRANSACTION.empty()
    m, n = len(slots), len(rows)
    begin = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    size = np.diff(np.append(begin, n))
    tree = grow(rows, group, m)
    error, kind = rows["error"], rows["kind"]

    root = _root_rows(rows, group, begin, tree, text_at)
    has_root = root < n
    lead = root.copy()
    for wanted in (ACCESS, SPAN, LOG):
        lead = np.where(lead < n, lead, _first(kind == wanted, begin))

    started = rows["start_us"][begin]
    length_us = np.nan_to_num(np.rint(rows["duration_ms"] * 1000.0), nan=0.0).astype(np.int64)
    ended = np.maximum.reduceat(rows["start_us"] + length_us, begin)
    own = rows["duration_ms"][lead]
    duration = np.where(has_root & ~np.isnan(own), own, (ended - started) / 1000.0)

    first_status = _first(rows["status"] != 0, begin)
    status = _at(rows["status"], np.where(has_root & (rows["status"][lead] != 0), lead, first_status), 0)
    error_count = np.add.reduceat((error != 0).astype(np.int64), begin)
    category = np.where(has_root, error[lead], _at(error, _first(error != 0, begin), 0))
    is_error = np.where(has_root, error[lead] != 0, error_count > 0)

    request = _at(rows["request"], _preferred(rows["request"] >= 0, tree.is_root, begin), -1)
    trace = _at(rows["trace"], _preferred(rows["trace"] >= 0, tree.is_root, begin), -1)

    words = strings.array()
    kinds, evidence = witness.judge(rows, group, tree, slots, strings)
    merged = slots["is_owned"] != 0
    calls = calls_of(rows, group, m, tree, strings)
    columns = {
        "transaction_id": hex_ids(slots["high"], slots["low"]),
        "environment": words.take(pa.array(rows["environment"][lead])),
        "request_id": text_at(request),
        "trace_id": text_at(trace),
        # a transaction too old to be judged may have been seen before: it must not replace a fuller row
        "revision": slots["late"].astype(np.int64) + 1 - slots["is_stale"] + slots["moves"],
        "root_span_id": text_at(_at(rows["span_text"], root, -1)),
        "root_service": words.take(pa.array(rows["service"][lead])),
        "root_route": words.take(pa.array(rows["route"][lead])),
        "services": _services(rows, group, m, words),
        "calls": calls.names,
        "call_counts": calls.counts,
        "call_error_counts": calls.error_counts,
        "call_duration_ms": calls.duration_ms,
        "started_at": started,
        "ended_at": ended,
        "duration_ms": duration,
        "http_response_status_code": pa.array(status, mask=status == 0),
        "error_category": words.take(pa.array(category)),
        "event_count": size,
        "span_count": np.add.reduceat((kind == SPAN).astype(np.int64), begin),
        "error_count": error_count,
        "retry_count": retries_of(rows, group, m, tree),
        "depth": depth_of(group, m, tree),
        "duplicate_count": slots["duplicates"],
        "late_count": slots["late"],
        "moved_count": slots["moved"],
        "orphan_count": tree.orphan_count,
        "orphan_kind": pa.array(ORPHAN_KINDS).take(pa.array(kinds)),
        "orphan_evidence": evidence,
        "closure_reason": pa.array(CLOSURE_REASONS).take(pa.array(np.where(merged, MERGED, slots["reason"]))),
        "p_complete": slots["p_complete"],
        "waited_ms": slots["closed_ms"] - slots["first_ms"],
        "merged_into": pc.if_else(pa.array(merged), hex_ids(slots["owner_high"], slots["owner_low"]), ""),
        "first_arrived_at": slots["first_ms"],
        "closed_at": slots["closed_ms"],
        "is_error": is_error,
    }
    return pa.table([_typed(columns[field.name], field.type) for field in TRANSACTION.arrow], schema=TRANSACTION.arrow)


def _typed(values: Any, wanted: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array):
        return values if values.type.equals(wanted) else values.cast(wanted)
    if pa.types.is_boolean(wanted):
        return pa.array(values)
    numbers = np.ascontiguousarray(values, np.int64 if pa.types.is_timestamp(wanted) else wanted.to_pandas_dtype())
    return pa.Array.from_buffers(wanted, len(numbers), [None, pa.py_buffer(numbers)])  # a tenth of pa.array's fixed cost


def _first(mask: Mask, begin: I64) -> I64:
    """First row of each group where the mask holds, n where none does."""
    n = len(mask)
    return np.minimum.reduceat(np.where(mask, np.arange(n), n), begin)


def _preferred(mask: Mask, is_root: Mask, begin: I64) -> I64:
    """First row where the mask holds, roots before others."""
    roots = _first(mask & is_root, begin)
    return np.where(roots < len(mask), roots, _first(mask, begin))


def _at(values: npt.NDArray[Any], rows: I64, none: int) -> npt.NDArray[Any]:
    """values[rows], and `none` for the row that is not there."""
    inside = rows < len(values)
    return np.where(inside, values[np.where(inside, rows, 0)], none).astype(values.dtype)


def _root_rows(rows: Records, group: I64, begin: I64, tree: Tree, text_at: Callable[[I64], pa.Array]) -> I64:
    """Row of the root of each group: the earliest start, then the smallest span_id, then the callee's half; n = no root."""
    candidates = np.flatnonzero(tree.is_root)
    root = _first(tree.is_root, begin)
    if len(candidates) == np.count_nonzero(root < len(rows)):
        return root
    ties = candidates[rows["start_us"][candidates] == rows["start_us"][root[group[candidates]]]]
    many = np.bincount(group[ties], minlength=len(begin))[group[ties]] > 1
    ties = ties[many]  # seldom any: only these need their names compared
    if len(ties):
        names = text_at(np.asarray(rows["span_text"][ties])).dictionary_encode()
        rank = np.empty(len(names.dictionary), np.int64)
        rank[np.argsort(np.array(names.dictionary.to_pylist(), object), kind="stable")] = np.arange(len(rank))
        order = np.lexsort((ties, rows["side"][ties] == CALLING, rank[names.indices.to_numpy()], group[ties]))
        ties = ties[order]
        winners = ties[np.concatenate([[True], group[ties][1:] != group[ties][:-1]])]
        root[group[winners]] = winners
    return root


def _services(rows: Records, group: I64, groups: int, words: pa.Array) -> pa.ListArray:
    """Distinct services of each group, in order of their first event."""
    named = np.flatnonzero(rows["service"] != 0)
    pair = group[named] * len(words) + rows["service"][named]
    _, first = np.unique(pair, return_index=True)
    chosen = named[np.sort(first)]
    return lists(group[chosen], groups, words.take(pa.array(rows["service"][chosen])))
