"""Traces that belong to requests: who owns them, and what is sent to the owners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.assemble.identity import hex_halves
from jobs.assemble.links import moved_table, owners_of
from jobs.assemble.rows import GONE, ROW
from jobs.assemble.slots import OPEN, SLOT
from jobs.assemble.state import AssembleState
from schemas.transaction import MERGE
from udfs.hashing import hex_ids

__all__ = ["Owned", "hand_over", "own", "take_back"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NEVER_FIRST_US = 1 << 61
"""Start of a row that takes others back: it is never the earliest."""


@dataclass(frozen=True)
class Owned:
    """What a tick's links did."""

    withdrawn: I64
    """Slots with another owner than before, whose transactions were told."""
    merges: pa.Table
    """MERGE rows of those with events that were told under another transaction."""
    moved: list[pa.Table]


def own(state: AssembleState, links: pa.Table, tick_ms: int) -> Owned:
    """Learn owners; the request that started first wins, so in the end the order does not matter.

    A trace without events is remembered as closed, for as long as late events may come.
    """
    owners = owners_of(links)
    slots = state.find(owners.trace, tick_ms)
    high, low = hex_halves(owners.transaction_id)
    records = np.zeros(len(slots), SLOT)
    known = slots >= 0
    records[known] = state.slots.table[slots[known]]
    same = (records["owner_us"] == owners.start_us) & (records["owner_key"] == owners.key)
    earlier = (owners.start_us < records["owner_us"]) | ((owners.start_us == records["owner_us"]) & (owners.key < records["owner_key"]))
    news = (records["is_owned"] == 0) | (earlier & ~same)
    other = news & (records["owner_key"] != owners.key)
    before = records.copy()
    records["owner_key"], records["owner_us"], records["is_owned"] = owners.key, owners.start_us, 1
    records["owner_high"], records["owner_low"] = high, low

    fresh = np.flatnonzero(~known)
    new = records[fresh]
    new["key"] = owners.trace[fresh]
    new["first_ms"] = new["last_ms"] = new["closed_ms"] = new["due_ms"] = tick_ms
    new["lead_us"] = np.iinfo(np.int64).max
    slots[fresh] = state.begin(new)
    records[fresh] = state.slots.table[slots[fresh]]

    has_events = records["events"] > 0
    told = other & known & has_events & (records["closed_ms"] != OPEN) & ((before["is_owned"] == 0) | (before["moves"] > 0))
    records["moves"] += told.astype(np.int32)
    state.slots.table[slots[news]] = records[news]
    touched = np.sort(slots[news])
    if len(touched):
        nothing = np.zeros(0, ROW)
        counts = np.zeros(len(touched), np.int64)
        state.append(nothing, touched, counts)
        state.write(tick_ms, nothing, touched, counts, pa.array([], pa.string()))

    moving = np.flatnonzero(other & has_events)
    rows, owner = state.gather(slots[moving])
    moved = [
        *_taken_back(state, before[moving]),
        *_sent(state, rows, records[moving], owner),
    ]
    merges = _merges(state, rows, records[moving], owner) if len(moving) else MERGE.empty()
    return Owned(slots[told], merges, moved)


def hand_over(state: AssembleState, rows: Records, slots: Records, again: Mask) -> list[pa.Table]:
    """MOVED rows for the owners of the slots, one slot record per row."""
    if not len(rows):
        return []
    rows = rows.copy()
    rows["via"] = slots["key"]
    texts = {name: state.text_at(rows[name]) for name in ("request", "trace", "span_text")}
    return [moved_table(rows, slots, again, state.strings, texts)]


def _sent(state: AssembleState, rows: Records, records: Records, owner: I64) -> list[pa.Table]:
    """All that is held of some traces; what repeated is told by rows that are only counted."""
    if not len(rows):
        return []
    first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    repeats = np.repeat(first, records["duplicates"][owner[first]])
    again = np.concatenate([np.zeros(len(rows), np.bool_), np.ones(len(repeats), np.bool_)])
    return hand_over(state, np.concatenate([rows, rows[repeats]]), records[np.concatenate([owner, owner[repeats]])], again)


def _taken_back(state: AssembleState, before: Records) -> list[pa.Table]:
    """What earlier owners must give back."""
    had = before[before["is_owned"] != 0]
    rows = np.zeros(len(had), ROW)
    rows["kind"], rows["start_us"] = GONE, _NEVER_FIRST_US
    rows["request"] = rows["trace"] = rows["span_text"] = -1
    rows["duration_ms"] = had["duplicates"]  # repeats that were sent, too
    rows["content"] = had["key"]
    return hand_over(state, rows, had, np.zeros(len(had), np.bool_))


def take_back(state: AssembleState, gone: Records, slots: I64, was_closed: Mask) -> None:
    """Count what leaves transactions with these rows; their events are skipped from now on.

    Cost: a loop over traces that change hands, which are few.
    """
    table = state.slots.table
    for row, slot, closed in zip(gone, slots.tolist(), was_closed.tolist(), strict=True):
        held, _ = state.gather(np.array([slot]))
        repeats = int(row["duration_ms"])
        table["duplicates"][slot] -= repeats
        table["moved"][slot] += np.count_nonzero(held["via"] == row["via"]) + repeats
        table["moves"][slot] += closed
        table["late"][slot] -= closed  # it came, but is no event


def _merges(state: AssembleState, rows: Records, records: Records, owner: I64) -> pa.Table:
    begin = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    here = records[owner[begin]]
    return pa.table(
        [
            state.text_at(rows["trace"][begin]),
            hex_ids(here["owner_high"], here["owner_low"]),
            pa.array(here["owner_key"]),
            pa.array(np.minimum.reduceat(rows["start_us"], begin)).cast(MERGE.arrow.field("started_at").type),
            pa.array(np.maximum.reduceat(rows["start_us"], begin)).cast(MERGE.arrow.field("ended_at").type),
        ],
        schema=MERGE.arrow,
    )
