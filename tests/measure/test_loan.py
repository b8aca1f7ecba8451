"""What young series borrow from their siblings, and from whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.measure.baseline import WARM_UP
from jobs.measure.loan import LEAST_OWN, borrow, lend
from tests.scorecard.cold_start import first_right


def _pool(spreads: Sequence[float], sizes: Sequence[float], judged: Sequence[float]) -> dict[str, NDArray[Any]]:
    n = len(spreads)
    usual = np.zeros((n, 4))
    usual[:, 0] = 0.8 * np.array(spreads)
    return {
        "key": np.arange(1, n + 1, dtype=np.uint64),
        "metric": np.zeros(n, np.int16),
        "judged": np.array(judged),
        "size": np.array(sizes),
        "usual": usual,
    }


def _lend(pool: dict[str, NDArray[Any]], near: list[int], far: list[int], absolute: bool = False) -> list[float]:
    n = len(near)
    row = np.array([n - 1])
    return lend(pool, row, (np.array(near), np.array(far)), np.full(n, absolute))[0].tolist()  # type: ignore[no-any-return]


def test_siblings_lend_a_share_of_their_level_and_ratios_a_constant() -> None:
    pool = _pool([1, 2, 3, 4, 0], [10, 10, 10, 10, 1], [50, 50, 50, 50, 0])
    assert _lend(pool, [1] * 5, [1] * 5) == pytest.approx([0.3, 0.0])
    assert _lend(pool, [1] * 5, [1] * 5, absolute=True) == pytest.approx([0.0, 3.0])


def test_near_siblings_lend_before_far_ones_and_a_few_or_young_ones_not_at_all() -> None:
    pool = _pool([1, 1, 1, 8, 8, 8, 0], [10] * 7, [50] * 6 + [0])
    assert _lend(pool, [2, 2, 2, 1, 1, 1, 1], [5] * 7)[0] == pytest.approx(0.8)
    assert _lend(pool, [2, 2, 2, 2, 2, 1, 1], [5] * 7)[0] == pytest.approx(0.8)
    assert np.isnan(_lend(pool, [2, 2, 2, 2, 2, 1, 1], [4] * 5 + [5, 5])[0])
    assert np.isnan(_lend(pool, [-1] * 7, [-1] * 7)[0])
    pool["judged"][:] = WARM_UP - 1
    assert np.isnan(_lend(pool, [1] * 7, [1] * 7)[0])


def test_another_metric_is_no_sibling() -> None:
    pool = _pool([1, 1, 1, 1, 0], [10] * 5, [50] * 4 + [0])
    pool["metric"][:4] = 1
    assert np.isnan(_lend(pool, [1] * 5, [1] * 5)[0])


def test_a_loan_gives_the_own_level_a_wider_spread_the_fewer_points_there_are() -> None:
    spreads = []
    for own in (LEAST_OWN, 2 * LEAST_OWN):
        history = np.full((1, 60), np.nan)
        history[0, :own] = 200.0
        expected, spread, count = np.array([np.nan]), np.array([np.nan]), np.array([own])
        borrow(np.array([[0.1, 0.0]]), history, expected, spread, count)
        assert (expected[0], count[0]) == (200.0, WARM_UP)
        spreads.append(spread[0])
    assert spreads[0] > spreads[1] > 20.0


@pytest.mark.parametrize("own", [0, LEAST_OWN - 1, WARM_UP])
def test_with_too_few_points_or_enough_of_its_own_nothing_is_borrowed(own: int) -> None:
    history = np.full((1, 60), np.nan)
    history[0, :own] = 1.0
    expected, spread, count = np.array([np.nan if own < WARM_UP else 5.0]), np.array([np.nan]), np.array([own])
    borrow(np.array([[0.1, 0.0]]), history, expected, spread, count)
    assert np.isnan(spread[0])
    assert count[0] == own


def test_a_new_client_among_others_gets_its_first_right_verdict_within_10_minutes_and_sooner_than_alone() -> None:
    among, alone = first_right("client", 60, 12, seed=1), first_right("client", 60, 0, seed=1)
    assert among[0] <= 6
    assert among[0] < alone[0] <= 13
    assert among[1] == alone[1] == 0
