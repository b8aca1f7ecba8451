"""The state of assembly: rows and transactions of one key partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.assemble.index import KeyIndex
from jobs.assemble.interner import Interner
from jobs.assemble.learned import Learned
from jobs.assemble.links import without_gone
from jobs.assemble.paged import PREFIX
from jobs.assemble.ring import Ring
from jobs.assemble.rows import GONE, ROW
from jobs.assemble.segment import CLOCK, TOUCH, Segment, clock_from_blob, clock_to_blob, from_blob, to_blob
from jobs.assemble.slots import EVICTED, OPEN, Slots
from jobs.assemble.version1 import CLOCK as OLD_CLOCK
from jobs.assemble.version1 import PREFIX as OLD
from jobs.assemble.witness import Witness
from jobs.knobs import Knobs

__all__ = ["AssembleState"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]

_BEGINNING = -(1 << 62)
_MIN_WORDS_TO_FORGET = 20_000


class AssembleState:
    """What a partition remembers: slim rows by tick, a slot per transaction, and who is open.

    * Rows, and the `TOUCH` records that say which rows a transaction got in which tick, lie in rings in order of arrival. Each touch
      points to the one before it, so nothing is copied or rewritten when a transaction grows.
    * A tick is a `Segment`; its blob is written once and deleted once. That a transaction was closed by its deadline is not written:
      it follows from the deadline and the clock.
    * The oldest segment goes when all its transactions were closed longer than `assemble_late_horizon` ago, or when the partition holds
      more than `assemble_max_rows` rows.

    Cost: 96 bytes a row, 192 + 40 per touch a transaction, and its ids as text.
    """

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.now_ms = _BEGINNING
        """Time of the last call."""
        self.strings = Interner()
        self.slots = Slots()
        self.open: I64 = np.zeros(0, np.int64)
        """Slots of the open transactions."""
        self.learned = Learned(knobs)
        self.witness = Witness()
        self._index = KeyIndex()
        self.has_gone = False
        """Some rows take others back."""
        self._rows = Ring(ROW)
        self._touches = Ring(TOUCH)
        self._segments: list[Segment] = []
        self._texts_end = 0
        self._sequence = 0
        self._serial = 0
        self._words_kept = 0
        self._changed: dict[str, bytes | None] = {}
        self._saved_ms = _BEGINNING

    # -- the contract of a stage's state

    @classmethod
    def load(cls, segments: Mapping[str, bytes], knobs: Knobs) -> Self:
        """Rebuild the state from its blobs; {} gives a fresh one."""
        state = cls(knobs)
        for clock in (OLD_CLOCK, CLOCK):
            if clock in segments:
                state.now_ms, state._sequence, state._serial = clock_from_blob(segments[clock])
        ticks = [name for name in segments if name not in (OLD_CLOCK, CLOCK) and not name.startswith(PREFIX)]
        for name in sorted(ticks, key=Segment.place_of):
            state._restore(name, segments[name])
        if OLD_CLOCK in segments:
            state._changed[OLD_CLOCK] = None
        learned = {name: blob for name, blob in segments.items() if name.startswith(PREFIX)}
        state.learned.load(learned)
        state.witness.load(learned)
        state._settle()
        state._saved_ms = state.now_ms
        return state

    def changes(self) -> dict[str, bytes | None]:
        """Blobs to put (bytes) or delete (None) since the last call.

        Cost: what the ticks since then brought was already made into blobs; nothing is written twice but the clock's 32 bytes.
        """
        changed, self._changed = self._changed, {}
        changed.update(self.learned.changes())
        changed.update(self.witness.changes())
        if changed or self.now_ms != self._saved_ms:
            changed[CLOCK] = clock_to_blob(self.now_ms, self._sequence, self._serial)
            self._saved_ms = self.now_ms
        return changed

    def next_deadline_ms(self) -> int | None:
        """The earliest time at which a transaction closes; with none open, the time at which all may be forgotten."""
        if len(self.open):
            return int(self.slots.table["due_ms"][self.open].min())
        return max(self._segments[0].check_ms, self._segments[-1].check_ms) if self._segments else None

    # -- what one tick does with it

    @property
    def rows_held(self) -> int:
        """Events held."""
        return len(self._rows)

    @property
    def transactions_held(self) -> int:
        """Transactions held, open and closed."""
        return len(self.slots)

    @property
    def text_base(self) -> int:
        """Position the next text will get."""
        return self._texts_end

    def find(self, keys: U64, tick_ms: int) -> I64:
        """Slot of each transaction that is still remembered at the tick, else -1. Keys are distinct."""
        slots = self._index.find(keys)
        held = np.flatnonzero(slots >= 0)
        closed = self.slots.table["closed_ms"][slots[held]]
        gone = held[(closed != OPEN) & (closed + self.knobs.assemble_late_horizon < tick_ms)]
        if len(gone):  # forgotten, but its segment still lies there
            self._forget(slots[gone])
            slots[gone] = -1
        return slots

    def begin(self, records: Records) -> I64:
        """Remember new transactions (SLOT; serial and head are set here); returns their slots."""
        records["serial"] = np.arange(self._serial, self._serial + len(records))
        records["head"] = -1
        self._serial += len(records)
        slots = self.slots.put(records)
        self._index.put(records["key"], slots)
        self.open = np.concatenate([self.open, slots[records["closed_ms"] == OPEN]])
        return slots

    def append(self, rows: Records, slots: I64, counts: I64) -> None:
        """Add the rows a tick brought, grouped by transaction; `counts` rows for each slot, possibly 0."""
        table = self.slots.table
        touches = np.zeros(len(slots), TOUCH)
        touches["slot"], touches["serial"] = slots, table["serial"][slots]
        touches["rows"] = counts
        touches["previous"] = table["head"][slots]
        touches["rows_at"] = self._rows.append(rows) + np.cumsum(counts) - counts
        self.has_gone = self.has_gone or bool((rows["kind"] == GONE).any())
        first = self._touches.append(touches)
        brought = np.flatnonzero(counts > 0)
        table["head"][slots[brought]] = first + brought
        table["touches"][slots[brought]] += 1
        table["events"][slots] += counts.astype(np.int32)

    def write(self, tick_ms: int, rows: Records, slots: I64, counts: I64, texts: pa.Array) -> None:
        """Make what `append` added a segment, with the transactions as they are now."""
        segment = self._segment(tick_ms, self._sequence, len(rows), len(slots), texts)
        self._sequence += 1
        self._changed[segment.key] = to_blob(rows, self.slots.table[slots], counts, texts, segment.text_base, self.strings)

    def gather(self, slots: I64) -> tuple[Records, I64]:
        """All rows of transactions but those taken back, and for each row which of `slots` it belongs to, ascending.

        Cost: one pass per tick of the transaction that has the most of them.
        """
        rows, owner = self._gather(slots)
        if self.has_gone:
            kept = without_gone(rows, owner)
            rows, owner = rows[kept], owner[kept]
        return rows, owner

    def _gather(self, slots: I64) -> tuple[Records, I64]:
        head = self.slots.table["head"][slots]
        owner = np.arange(len(slots))
        owners, begins, sizes = [], [], []
        while len(head):
            touch = self._touches.take(head)
            owners.append(owner)
            begins.append(touch["rows_at"])
            sizes.append(touch["rows"])
            older = touch["previous"] >= 0
            head, owner = touch["previous"][older], owner[older]
        if not owners:
            return np.zeros(0, ROW), np.zeros(0, np.int64)
        owner, begin, size = np.concatenate(owners), np.concatenate(begins), np.concatenate(sizes)
        if len(owners) > 1:
            order = np.argsort(owner, kind="stable")
            owner, begin, size = owner[order], begin[order], size[order]
        step = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
        return self._rows.take(np.repeat(begin, size) + step), np.repeat(owner, size)

    def text_at(self, positions: I64) -> pa.Array:
        """Texts at positions, '' for -1. Cost: one take per segment that is hit."""
        bases = np.array([segment.text_base for segment in self._segments], np.int64)
        where = np.searchsorted(bases, positions, "right") - 1
        where[positions < 0] = -1
        pieces, order = [pa.array([""])], np.zeros(len(positions), np.int64)
        done = 1
        for number in np.unique(where[where >= 0]):  # segments, not rows
            hit = np.flatnonzero(where == number)
            pieces.append(self._segments[number].texts.take(pa.array(positions[hit] - bases[number])))
            order[hit] = np.arange(done, done + len(hit))
            done += len(hit)
        return pa.concat_arrays(pieces).take(pa.array(order))

    def close_due(self, before_ms: int) -> I64:
        """Close what was due before this time; returns the slots, in order of closing and key."""
        table = self.slots.table
        due = table["due_ms"][self.open] < before_ms
        slots = self.open[due]
        self.open = self.open[~due]
        table["closed_ms"][slots] = table["due_ms"][slots]
        return slots

    def reopen(self, slots: I64, tick_ms: int) -> None:
        """Open slots that so far only knew to whom they belong."""
        table = self.slots.table
        table["closed_ms"][slots] = OPEN
        table["first_ms"][slots] = table["last_ms"][slots] = tick_ms
        self.open = np.concatenate([self.open, slots])

    def evict(self, slots: I64, tick_ms: int) -> None:
        """Close open transactions before their time."""
        if not len(slots):
            return
        table = self.slots.table
        table["closed_ms"][slots] = tick_ms
        table["reason"][slots] = EVICTED
        self.open = self.open[table["closed_ms"][self.open] == OPEN]

    def overflow(self) -> I64:
        """Open transactions that stand in the way of dropping the oldest segments down to `assemble_max_rows`."""
        surplus = len(self._rows) - self.knobs.assemble_max_rows
        if surplus <= 0:
            return np.zeros(0, np.int64)
        doomed = [self._live_slots(segment) for segment in self._segments if segment.rows[0] - self._rows.begin < surplus]
        slots: I64 = np.unique(np.concatenate(doomed))
        return np.asarray(slots[self.slots.table["closed_ms"][slots] == OPEN])

    def drop_old(self, tick_ms: int) -> None:
        """Drop the oldest segments while they are forgotten or too many; nothing in surplus ones may be open."""
        horizon = self.knobs.assemble_late_horizon
        dropped = 0
        for segment in self._segments:
            if len(self._rows) <= self.knobs.assemble_max_rows:
                if segment.check_ms > tick_ms:
                    break
                live = self.slots.table[self._live_slots(segment)]
                ends = np.where(live["closed_ms"] == OPEN, live["due_ms"], live["closed_ms"]) + horizon + 1
                segment.check_ms = int(ends.max(initial=segment.check_ms))
                if segment.check_ms > tick_ms:
                    break
            self._forget(self._live_slots(segment))
            self._rows.drop_before(segment.rows[1])
            self._touches.drop_before(segment.touches[1])
            if segment.key in self._changed:  # never handed out
                del self._changed[segment.key]
            else:
                self._changed[segment.key] = None
            dropped += 1
        del self._segments[:dropped]
        if dropped:
            self._forget_words()

    # -- within

    def _segment(self, tick_ms: int, sequence: int, rows: int, touches: int, texts: pa.Array) -> Segment:
        """Describe the newest rows, touches and texts as a segment."""
        segment = Segment(
            tick_ms,
            sequence,
            (self._rows.end - rows, self._rows.end),
            (self._touches.end - touches, self._touches.end),
            self._texts_end,
            texts,
            tick_ms + self.knobs.assemble_late_horizon + 1,
        )
        self._texts_end += max(1, len(texts))  # bases stay distinct, so that a position has one segment
        self._segments.append(segment)
        return segment

    def _live_slots(self, segment: Segment) -> I64:
        touches = self._touches.slice(*segment.touches)
        slots = touches["slot"]
        return np.asarray(slots[self.slots.table["serial"][slots] == touches["serial"]])

    def _forget(self, slots: I64) -> None:
        self._index.remove(self.slots.table["key"][slots])
        self.slots.free(slots)

    def _forget_words(self) -> None:
        """Renumber the interned strings when most of them belong to dropped segments."""
        if len(self.strings) < 2 * self._words_kept + _MIN_WORDS_TO_FORGET:
            return
        used = np.zeros(len(self.strings), np.bool_)
        rows = self._rows.slice(self._rows.begin, self._rows.end)
        for name in ("service", "environment", "route", "error"):
            used[rows[name]] = True
        renumber = self.strings.keep(used)
        for name in ("service", "environment", "route", "error"):
            self._rows.put(name, self._rows.begin, renumber[rows[name]])
        self._words_kept = len(self.strings)

    def _restore(self, name: str, blob: bytes) -> None:
        """Add one blob, in the order they were written; the newest blob of a transaction describes it."""
        tick_ms, sequence = Segment.place_of(name)
        rows, records, counts, texts = from_blob(blob, self._texts_end, self.strings, name.startswith(OLD))
        slots = self._index.find(records["key"])
        known = slots >= 0
        older = np.flatnonzero(known)
        replaced = older[self.slots.table["serial"][slots[older]] != records["serial"][older]]
        if len(replaced):
            self._forget(slots[replaced])
            known[replaced] = False
        head = np.where(known, self.slots.table["head"][slots], -1)
        fresh = np.flatnonzero(~known)
        slots[fresh] = self.slots.put(records[fresh])
        self._index.put(records["key"][fresh], slots[fresh])

        touches = np.zeros(len(slots), TOUCH)
        touches["slot"], touches["serial"], touches["rows"] = slots, records["serial"], counts
        touches["previous"] = head
        touches["rows_at"] = self._rows.append(rows) + np.cumsum(counts) - counts
        self.has_gone = self.has_gone or bool((rows["kind"] == GONE).any())
        first = self._touches.append(touches)
        records["head"] = np.where(counts > 0, first + np.arange(len(slots)), head)
        self.slots.table[slots] = records
        self._segment(tick_ms, sequence, len(rows), len(slots), texts).key = name

    def _settle(self) -> None:
        """After the last blob: forget what lost rows to dropped segments, close what was due, list what is open."""
        table = self.slots.table
        touches = self._touches.slice(self._touches.begin, self._touches.end)
        live = touches[table["serial"][touches["slot"]] == touches["serial"]]
        found = np.bincount(live["slot"], live["rows"], minlength=len(table))
        used = table["serial"] >= 0
        self._forget(np.flatnonzero(used & (found != table["events"])))
        self.open = np.flatnonzero((table["serial"] >= 0) & (table["closed_ms"] == OPEN))
        self.close_due(self.now_ms + 1)
