"""Assembly: the events of a tick in, finished and amended transactions out.

When a transaction is closed
    Times are ticks of the broker clock: an event arrives at the end of the tick its `arrived_at` lies in. A transaction is due at
    ``min(last arrival + wait, first arrival + assemble_max_wait)``. `wait` is the shortest quiet time after which more is unlikely
    (`assemble_close_at`), as learned from transactions that looked the same (learned.py); until enough is learned it is
    `assemble_complete_wait` while the tree is whole (one root, no missing parent) and `assemble_idle_wait` otherwise. Repeats of an
    event do not prolong it. With `assemble_fixed_wait` it is due that long after its first arrival. At each tick t

    1. transactions due before t are closed, at their due time;
    2. the events of t are applied: those of closed transactions are late, and amend them;
    3. transactions due at t are closed.

    So an event at the very tick a transaction is due belongs to it, and one at the next tick is late, whether or not anything ran in
    between. `closed_at` is the due time. The closure reason is `complete` with a whole tree, else `quiet` where more was unlikely and
    `timed_out` where we only knew to wait no longer; `evicted` when it grew beyond `assemble_max_events` or had to make room
    (`assemble_max_rows`); then it is closed at that tick.
    An event that nothing can join (no request_id, no trace_id) is a `complete` transaction at its own tick, and is not remembered.

Revisions
    `revision` is 1 + `late_count`: every late arrival, also of a repeat, gives a new row; late rows are emitted once per tick.
    A transaction is remembered for `assemble_late_horizon` after its closing; then its id starts a new transaction. When all events of an
    unknown transaction are older than `assemble_late_horizon`, it may have been emitted and forgotten: its events are marked late,
    and its row has a revision lower by one (0 at first), so it never replaces a fuller row, yet old logs are assembled.
    Events of a transaction evicted for its size are marked late and change nothing any more.

Owned traces
    A trace that turns out to belong to a request (links.py) stays here to recognise repeats, but is told no more: what came and what
    comes is sent to the request's transaction as `moved`. Where a row of it was told before, a row with `merged_into` takes it back.

Identity
    Transactions are joined by the 64-bit `transaction_hash`; their 128-bit id is that of the first event. Two ids with one hash within a
    partition's memory are taken for one: with 10 million remembered transactions that happens once in 400,000 partitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.assemble.group import summarise, time_order
from jobs.assemble.identity import hex_halves
from jobs.assemble.links import MOVED, Moved, moved_rows
from jobs.assemble.owned import hand_over, own, take_back
from jobs.assemble.repeats import mark_first, seen_before
from jobs.assemble.rows import GONE, plain, slim
from jobs.assemble.slots import COMPLETE, OPEN, QUIET, SLOT, TIMED_OUT
from jobs.assemble.state import AssembleState
from jobs.assemble.tree import grow
from schemas.event import EVENT
from schemas.transaction import MERGE, TRANSACTION
from udfs.hashing import hex_ids

__all__ = ["AssembleOut", "on_batch"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_NONE = TRANSACTION.empty()
_NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class AssembleOut:
    """What one call gives."""

    events: pa.Table
    """EVENT: all events given, in their order, with `is_duplicate`, `is_late`, and the transaction of the request that owns them."""
    transactions: pa.Table
    """TRANSACTION: those closed or amended, by tick, closing time and hash."""
    moved: pa.Table
    """MOVED: rows of traces for the transactions of requests."""
    merges: pa.Table
    """MERGE: traces of which events were told under another transaction."""


def on_batch(
    state: AssembleState, events: pa.Table, now_ms: int, links: pa.Table | None = None, moved: pa.Table | None = None
) -> tuple[AssembleState, AssembleOut]:
    """Take all events of a tick (or none, when a deadline is due) and give what is finished.

    Parameters
    ----------
    state : is changed in place
    events : EVENT, any order; events without transaction_id pass through untouched
    now_ms : end of the tick; grows from call to call. Events that arrived before the last call count as arriving now; a batch that holds
        several ticks is taken tick by tick, so the result does not depend on how often it is called.
    links : LINK; which requests own traces, learned in the tick that ends now
    moved : MOVED; rows of traces for transactions here, from the tick that ends now

    Cost: about 4 microseconds an event, and 1 ms a call.
    """
    events = EVENT.conform(events)
    flags = _Flags(events.num_rows)
    out = _Collected()
    joined = np.flatnonzero(pc.not_equal(pc.fill_null(events.column("transaction_id"), ""), "").to_numpy())
    tick = _arrival_ticks(state, events, now_ms)
    ticks = np.unique(tick[joined]).tolist()
    if (links is not None and links.num_rows) or (moved is not None and moved.num_rows):
        ticks = sorted({*ticks, now_ms})
    for tick_ms in ticks:  # one tick, but where ticks were skipped
        out.closed += _emit(state, _close(state, tick_ms))
        chosen = joined[tick[joined] == tick_ms]
        part = events if len(chosen) == events.num_rows else events.take(pa.array(chosen))
        is_last = tick_ms == now_ms
        told = own(state, links, tick_ms) if is_last and links is not None and links.num_rows else None
        applied = _apply(state, part, moved if is_last else None, tick_ms)
        flags.put(chosen, applied)
        out.closed.append(applied.alone)
        if told is not None:
            out.closed += _emit(state, told.withdrawn)
            out.merges.append(told.merges)
            out.moved += told.moved
        out.moved += applied.moved
        due = _close(state, tick_ms + 1)
        crowded = state.overflow()
        state.evict(crowded, tick_ms)
        out.closed += _emit(state, np.concatenate([applied.finished, due, crowded]))
        state.drop_old(tick_ms)
    out.closed += _emit(state, _close(state, now_ms + 1))
    state.drop_old(now_ms)
    state.now_ms = max(state.now_ms, now_ms)
    return state, out.all(flags.mark(events))


def _close(state: AssembleState, before_ms: int) -> I64:
    """Close what was due before this time, and learn from it."""
    slots = state.close_due(before_ms)
    state.learned.closed(state.slots.table[slots])
    return slots


class _Collected:
    def __init__(self) -> None:
        self.closed: list[pa.Table] = []
        self.moved: list[pa.Table] = []
        self.merges: list[pa.Table] = []

    def all(self, events: pa.Table) -> AssembleOut:
        return AssembleOut(
            events, _together(self.closed, TRANSACTION.arrow), _together(self.moved, MOVED), _together(self.merges, MERGE.arrow)
        )


def _together(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    filled = [table for table in tables if table.num_rows]
    return pa.concat_tables(filled) if filled else schema.empty_table()


@dataclass(frozen=True)
class _Applied:
    """What one tick's events did."""

    duplicate: Mask
    late: Mask
    owner: Records | None
    """SLOT of each event's transaction, where some are owned by requests."""
    finished: I64
    """Slots to emit: amended ones, and those that grew too large."""
    alone: pa.Table
    """TRANSACTION rows of events that nothing can join."""
    moved: list[pa.Table]
    """Rows of owned traces, on to their owners."""


@dataclass
class _Arrivals:
    """Slim rows of one tick: those of events first, in their order, then those that moved here."""

    rows: Records
    key: U64
    alone: Mask
    again: Mask
    """Repeats where they come from: only counted."""
    texts: pa.Array
    text_base: int
    events: pa.Table
    moved: Moved | None

    @classmethod
    def of(cls, state: AssembleState, events: pa.Table, moved: pa.Table | None) -> _Arrivals:
        thin = slim(events, state.strings, state.text_base)
        key = plain(events.column("transaction_hash")).to_numpy()
        if moved is None or not moved.num_rows:
            return cls(thin.rows, key, thin.alone, np.zeros(len(key), np.bool_), thin.texts, thin.text_base, events, None)
        came = moved_rows(moved, state.strings, state.text_base + len(thin.texts))
        return cls(
            np.concatenate([thin.rows, came.rows]),
            np.concatenate([key, came.key]),
            np.concatenate([thin.alone, np.zeros(len(came.rows), np.bool_)]),
            np.concatenate([np.zeros(len(key), np.bool_), came.again]),
            pa.concat_arrays([thin.texts, came.texts]),
            thin.text_base,
            events,
            came,
        )

    def records(self, first: I64, tick_ms: int) -> Records:
        """SLOT records of transactions that begin at this tick; `first` is a row of each."""
        records = np.zeros(len(first), SLOT)
        records["key"] = self.key[first]
        n = self.events.num_rows
        own_id = np.flatnonzero(first < n)
        halves = hex_halves(plain(self.events.column("transaction_id")).take(pa.array(first[own_id])))
        records["high"][own_id], records["low"][own_id] = halves
        if self.moved is not None:
            came = np.flatnonzero(first >= n)
            records["high"][came], records["low"][came] = self.moved.high[first[came] - n], self.moved.low[first[came] - n]
        records["first_ms"] = records["last_ms"] = tick_ms
        records["closed_ms"] = OPEN
        records["lead_us"] = np.iinfo(np.int64).max
        return records


def _apply(state: AssembleState, events: pa.Table, moved: pa.Table | None, tick_ms: int) -> _Applied:
    """Add one tick's events, all of which have a transaction, to the state."""
    came = _Arrivals.of(state, events, moved)
    n = len(came.rows)
    if not n:
        nothing = np.zeros(0, np.bool_)
        return _Applied(nothing, nothing, None, _NOBODY, _NONE, [])
    state.witness.heard(came.rows, state.strings, tick_ms)
    order = time_order(came.rows, came.key)
    rows, key = came.rows[order], came.key[order]
    begin = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    group = np.repeat(np.arange(len(begin)), np.diff(np.append(begin, n)))
    places, is_first = mark_first(events, order, group, rows["content"], came.again)
    if not is_first.all():
        order, rows = order[places], rows[places]

    is_alone = np.logical_and.reduceat(came.alone[order], begin)
    joinable = np.flatnonzero(~is_alone)
    slots = np.full(len(begin), -1, np.int64)
    slots[joinable] = state.find(key[begin[joinable]], tick_ms)
    known = np.flatnonzero(slots >= 0)
    old = np.zeros(len(begin), SLOT)
    old["closed_ms"] = OPEN
    old[known] = state.slots.table[slots[known]]
    old["closed_ms"][(old["is_owned"] != 0) & (old["events"] == 0)] = OPEN  # a mere link
    is_frozen = old["is_frozen"] != 0

    is_repeat = ~is_first | came.again[order]
    asked = known[~is_frozen[known]]
    if len(asked):
        held, owner = state.gather(slots[asked])
        is_repeat |= seen_before(rows["content"], group, held["content"], asked[owner])

    newest_ms = np.maximum.reduceat(rows["start_us"], begin) // 1000
    horizon_ms = tick_ms - state.knobs.assemble_late_horizon
    is_new = (slots < 0) & ~is_alone
    records = came.records(order[begin], tick_ms)
    records["is_stale"] = is_new & (newest_ms < horizon_ms)
    slots[is_new] = state.begin(records[is_new])

    stored = np.flatnonzero(~is_alone & ~is_frozen)
    is_kept = ~is_repeat & ~is_alone[group] & ~is_frozen[group]
    kept = np.add.reduceat(is_kept.astype(np.int64), begin)
    repeats = np.add.reduceat(is_repeat.astype(np.int64), begin)
    finished = _store(state, tick_ms, rows[is_kept], slots[stored], kept[stored], repeats[stored], came.texts)

    single = is_alone[group] & is_first
    records["closed_ms"], records["reason"], records["duplicates"], records["p_complete"] = tick_ms, COMPLETE, repeats, 1.0
    alone = _emit_alone(state, came, rows[single], group[single], records[is_alone]) if len(joinable) < len(begin) else _NONE

    is_stale = (records["is_stale"] | old["is_stale"]) != 0
    late_rows = (old["closed_ms"] != OPEN)[group] | (is_stale[group] & (rows["start_us"] // 1000 < horizon_ms))
    duplicate, late = np.empty(n, np.bool_), np.empty(n, np.bool_)
    duplicate[order], late[order] = is_repeat, late_rows
    owned = old["is_owned"] != 0
    owner_rows = None
    handed: list[pa.Table] = []
    if owned.any():
        owner_rows = np.empty(n, SLOT)
        owner_rows[order] = old[group]
        sent = owned[group] & ~is_frozen[group]
        handed = hand_over(state, rows[sent], old[group[sent]], is_repeat[sent])
    m = events.num_rows
    return _Applied(duplicate[:m], late[:m], None if owner_rows is None else owner_rows[:m], finished, alone, handed)


def _store(state: AssembleState, tick_ms: int, rows: Records, slots: I64, kept: I64, repeats: I64, texts: pa.Array) -> I64:
    """Write a tick into the state and set new deadlines; returns the slots to emit at once.

    `rows` are the distinct new ones, `kept` of them for each of the `slots`, beside `repeats` that are only counted.
    """
    if not len(slots):
        return slots
    knobs, table = state.knobs, state.slots.table
    before = table[slots]
    gone = np.flatnonzero(rows["kind"] == GONE)
    if len(gone):
        at = np.repeat(np.arange(len(slots)), kept)[gone]
        take_back(state, rows[gone], slots[at], before["closed_ms"][at] != OPEN)
    state.append(rows, slots, kept)
    mere_links = slots[(before["events"] == 0) & (before["closed_ms"] != OPEN) & (kept > 0)]
    if len(mere_links):
        state.reopen(mere_links, tick_ms)
    was_closed = table["closed_ms"][slots] != OPEN
    table["duplicates"][slots] += repeats.astype(np.int32)
    table["late"][slots] += np.where(was_closed, kept + repeats, 0).astype(np.int32)

    _look_again(state, rows, slots, kept)
    after = table[slots]
    again = (before["events"] > 0) & (kept > 0) & (before["is_frozen"] == 0)
    if again.any():
        state.learned.grew(before[again], after[again], tick_ms - before["last_ms"][again], was_closed[again])
    table["last_ms"][slots[kept > 0]] = tick_ms

    grown = slots[~was_closed & (kept > 0)]
    if len(grown):
        plan = state.learned.plan(table[grown])
        since = tick_ms if not knobs.assemble_fixed_wait else table["first_ms"][grown]
        limit = table["first_ms"][grown] + knobs.assemble_max_wait
        due = np.minimum(since + plan.wait_ms, limit)
        table["due_ms"][grown] = np.maximum(due, tick_ms)
        table["p_complete"][grown] = plan.p_complete
        quiet = np.where(plan.is_sure & (due < limit), QUIET, TIMED_OUT)
        table["reason"][grown] = np.where(table["is_whole"][grown] != 0, COMPLETE, quiet)

    large = slots[(table["events"][slots] > knobs.assemble_max_events) & (table["is_frozen"][slots] == 0)]
    table["is_frozen"][large] = 1
    large = large[table["closed_ms"][large] == OPEN]
    if len(large):
        state.evict(large, tick_ms)
    state.write(tick_ms, rows, slots, kept, texts)
    return np.concatenate([slots[was_closed], large])


def _look_again(state: AssembleState, rows: Records, slots: I64, kept: I64) -> None:
    """What the transactions look like with their new rows: type, services, shape, tree."""
    table = state.slots.table
    grew = np.flatnonzero(kept > 0)
    if not len(grew):
        return
    begin = (np.cumsum(kept) - kept)[grew]
    slot = slots[grew]
    words = state.strings.hashes()
    with np.errstate(over="ignore"):
        service = words[rows["service"]]
        operation = (service ^ (words[rows["route"]] * _ODD)) * _ODD + rows["kind"] + rows["side"]
        table["shape"][slot] += np.add.reduceat(operation, begin)
        table["services"][slot] |= np.bitwise_or.reduceat(np.uint64(1) << (service >> np.uint64(58)), begin)
        leads = rows["start_us"][begin] < table["lead_us"][slot]
        first = rows[begin[leads]]
        kind = words[first["environment"]] * _ODD ^ words[first["service"]]
        table["type"][slot[leads]] = kind * _ODD ^ words[first["route"]]
        table["lead_us"][slot[leads]] = first["start_us"]
    nodes = np.concatenate([[0], np.cumsum(rows["span"] != 0)])
    ends = np.cumsum(kept)
    with_nodes = slots[nodes[ends] > nodes[ends - kept]]  # nothing else can make or break a tree
    if len(with_nodes):
        table["has_nodes"][with_nodes] = 1
        table["is_whole"][with_nodes] = grow(*state.gather(with_nodes), len(with_nodes)).is_whole


_ODD = np.uint64(0x9E3779B97F4A7C15)


def _emit(state: AssembleState, slots: I64) -> list[pa.Table]:
    """TRANSACTION rows of slots, in order of closing time and hash; none of traces that were owned before they were told."""
    if len(slots):
        records = state.slots.table[slots]
        slots = slots[(records["is_owned"] == 0) | (records["moves"] > 0)]
    if not len(slots):
        return []
    records = state.slots.table[slots]
    order = np.lexsort((records["key"], records["closed_ms"]))
    slots, records = slots[order], records[order]
    rows, group = state.gather(slots)
    if (records["touches"] > 1).any():  # a tick's rows are already in order
        order = time_order(rows, group)
        rows, group = rows[order], group[order]
    if state.has_gone:  # all rows of some may have been taken back
        left, group = np.unique(group, return_inverse=True)
        records = records[left]
    return [summarise(rows, group, records, state.strings, state.text_at, state.witness)]


def _emit_alone(state: AssembleState, came: _Arrivals, rows: Records, group: I64, records: Records) -> pa.Table:
    """TRANSACTION rows of events that nothing can join: closed as they come, never stored."""
    texts = pa.concat_arrays([came.texts, pa.array([""])])

    def text_at(positions: I64) -> pa.Array:
        return texts.take(pa.array(np.where(positions < 0, len(texts) - 1, positions - came.text_base)))

    _, compact = np.unique(group, return_inverse=True)
    return summarise(rows, compact, records, state.strings, text_at, state.witness)


def _arrival_ticks(state: AssembleState, events: pa.Table, now_ms: int) -> I64:
    """End of the tick each event arrived in, within (last call, now]."""
    step = state.knobs.pipeline_tick
    arrived = plain(pc.fill_null(events.column("arrived_at").cast(pa.int64()), now_ms)).to_numpy()
    tick = np.minimum(-(-arrived // step) * step, now_ms)
    return np.where(tick <= state.now_ms, now_ms, tick)


class _Flags:
    """What the events of a call turn out to be."""

    def __init__(self, n: int) -> None:
        self.duplicate = np.zeros(n, np.bool_)
        self.late = np.zeros(n, np.bool_)
        self._owners: list[tuple[I64, Records]] = []

    def put(self, chosen: I64, applied: _Applied) -> None:
        self.duplicate[chosen], self.late[chosen] = applied.duplicate, applied.late
        if applied.owner is not None:
            owned = applied.owner["is_owned"] != 0
            self._owners.append((chosen[owned], applied.owner[owned]))

    def mark(self, events: pa.Table) -> pa.Table:
        columns: dict[str, Any] = {"is_duplicate": pa.array(self.duplicate), "is_late": pa.array(self.late)}
        if self._owners:
            place = np.concatenate([chosen for chosen, _ in self._owners])
            owner = np.concatenate([records for _, records in self._owners])
            columns["transaction_id"] = _replaced(events.column("transaction_id"), place, hex_ids(owner["owner_high"], owner["owner_low"]))
            columns["transaction_hash"] = _replaced(events.column("transaction_hash"), place, pa.array(owner["owner_key"]))
        for name, values in columns.items():
            at = events.schema.get_field_index(name)
            events = events.set_column(at, events.schema.field(at), values)
        return events


def _replaced(column: pa.ChunkedArray, place: I64, values: pa.Array) -> pa.Array:
    """The column with other values at some places."""
    both = pa.concat_arrays([plain(column), values])
    index = np.arange(len(column))
    index[place] = np.arange(len(values)) + len(column)
    return both.take(pa.array(index))
