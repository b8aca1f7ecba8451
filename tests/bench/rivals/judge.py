"""What an assembler got wrong: its transactions against those that were sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True)
class Judgement:
    """Counts of what is right and wrong."""

    expected: int
    """Transactions sent."""
    written: int
    """Transactions that came out."""
    exact: int
    """Came out once, with each of their events once."""
    split: int
    """Came out in two or more."""
    lost_events: int
    """Events that are in none."""
    doubled_events: int
    """Events counted once more than they were sent, repeats of the same event among them."""


def judge(expected: Mapping[str, int], written: Iterable[tuple[str, int]]) -> Judgement:
    """Compare.

    Parameters
    ----------
    expected : transaction -> events in it, repeats not counted
    written : (transaction, events in it) for each that came out

    Examples
    --------
    >>> judge({"a": 2, "b": 3, "c": 1}, [("a", 2), ("b", 1), ("b", 2)])
    Judgement(expected=3, written=3, exact=1, split=1, lost_events=1, doubled_events=0)
    """
    rows: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for transaction, count in written:
        rows[transaction] += 1
        events[transaction] += count
    return Judgement(
        expected=len(expected),
        written=rows.total(),
        exact=sum(rows[name] == 1 and events[name] == count for name, count in expected.items()),
        split=sum(count > 1 for count in rows.values()),
        lost_events=sum(max(0, count - events[name]) for name, count in expected.items()),
        doubled_events=sum(max(0, count - expected.get(name, 0)) for name, count in events.items()),
    )
