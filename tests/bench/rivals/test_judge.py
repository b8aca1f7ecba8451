"""What counts as exact, split, lost and doubled."""

from __future__ import annotations

from tests.bench.rivals.judge import Judgement, judge


def test_what_came_out_once_and_whole_is_exact() -> None:
    assert judge({"a": 2, "b": 3}, [("a", 2), ("b", 3)]) == Judgement(2, 2, 2, 0, 0, 0)


def test_a_transaction_in_two_parts_is_split_and_loses_nothing() -> None:
    assert judge({"a": 5}, [("a", 4), ("a", 1)]) == Judgement(1, 2, 0, 1, 0, 0)


def test_events_in_no_transaction_are_lost_and_repeats_that_are_counted_are_doubled() -> None:
    assert judge({"a": 2, "b": 3, "c": 4}, [("a", 1), ("b", 4)]) == Judgement(3, 2, 0, 0, 5, 1)


def test_a_transaction_that_nobody_sent_is_doubled() -> None:
    assert judge({"a": 1}, [("a", 1), ("x", 2)]) == Judgement(1, 2, 1, 0, 0, 2)
