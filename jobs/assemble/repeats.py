"""Repeats: the same event shipped more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.assemble.rows import plain

__all__ = ["mark_first", "seen_before"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_ARRIVAL = ("arrived_at", "topic", "partition", "offset", "line_index")


def mark_first(events: pa.Table, order: I64, group: I64, content: U64, last: Mask) -> tuple[I64, Mask]:
    """Put the first of each content within a tick before its repeats.

    Parameters
    ----------
    events : EVENT; of equal events the first by arrived_at, topic, partition, offset, line_index is the event
    order : int64[n], the event each row stands for
    last : bool[rows], rows that never lead; rows beyond the events moved here from elsewhere, and lead by themselves
    group, content : of each row; rows with the same of both lie side by side

    Returns
    -------
    The rows in their new places (int64[n]), changed only among equal ones: the first to arrive leads, since what was learned about
    the line (route, category) may differ. And bool[n], True on those that lead.
    """
    again = np.concatenate([[False], (group[1:] == group[:-1]) & (content[1:] == content[:-1])])
    places = np.arange(len(order))
    if not again.any():
        return places, ~again
    run = np.cumsum(~again)
    member = np.flatnonzero(again | np.append(again[1:], False))
    row = order[member]
    event = pa.array(np.where(row < events.num_rows, row, 0), mask=row >= events.num_rows)
    arrival = [_sortable(events.column(name).take(event)) for name in reversed(_ARRIVAL)]
    places[member] = member[np.lexsort((*arrival, last[row], run[member]))]
    return places, ~again


def seen_before(content: U64, group: I64, old_content: U64, old_group: I64) -> Mask:
    """bool[n]: rows whose (group, content) is among the old ones."""
    if not len(old_content):
        return np.zeros(len(content), np.bool_)
    with np.errstate(over="ignore"):
        mine = content ^ (group.astype(np.uint64) * _SPREAD)
        theirs = np.sort(old_content ^ (old_group.astype(np.uint64) * _SPREAD))
    at = np.searchsorted(theirs, mine)
    at[at == len(theirs)] = 0
    return np.asarray(theirs[at] == mine)


def _sortable(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Numbers in the order of the values."""
    array = plain(column)
    if pa.types.is_string(array.type):
        coded = pc.fill_null(array, "").dictionary_encode()
        rank = np.empty(len(coded.dictionary), np.int64)
        rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank))
        return np.asarray(rank[coded.indices.to_numpy()])
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    return np.asarray(array.to_numpy(zero_copy_only=False))
