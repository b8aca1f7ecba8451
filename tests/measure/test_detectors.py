"""What each detector sees, how rare it calls it, and that awkward series leave it sane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.measure.baseline import BaselineColumns, causal_baselines
from jobs.measure.detectors import DETECTORS
from jobs.measure.series import SeriesPool
from jobs.measure.tails import BINS, count, follow_surprises, places
from tests.measure.rows import MINUTE, START

_N = 3_000


def _noise(n: int = _N, seed: int = 1) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(100, 2, n)


def _judged(values: NDArray[Any], step_us: int = MINUTE) -> BaselineColumns:
    return causal_baselines(START + np.arange(len(values)) * step_us, values, 60)


def _surprise(known: BaselineColumns) -> NDArray[Any]:
    highest: NDArray[Any] = np.max([getattr(known, f"{name}_surprise") for name in DETECTORS], axis=0)
    return highest


def test_a_spike_surprises_at_its_own_point() -> None:
    values = _noise()
    values[2_500] = 140
    known = _judged(values)
    assert _surprise(known)[2_500] > 4
    assert np.nanmax(_surprise(known)[2_000:2_500]) < 4


def test_a_step_of_three_times_surprises_at_once_even_after_two_minutes_of_5_s_windows() -> None:
    values = np.concatenate([_noise(24) / 2, np.full(6, 150.0)])
    assert _surprise(_judged(values, 5_000_000))[24] > 3


def test_drift_sees_what_creeps_and_noise_sees_what_jumps_about() -> None:
    creeping, jumping = _noise(), _noise()
    creeping[2_500:2_560] += np.linspace(0, 5, 60)
    jumping[2_500:2_540] += 8 * (-1.0) ** np.arange(40)
    assert _judged(creeping).drift_surprise[2_540:2_570].max() > 2.5
    assert _judged(jumping).noise_surprise[2_510:2_540].max() > 3


def test_a_surprise_of_3_comes_about_once_in_1000_points_of_the_same_kind() -> None:
    rng = np.random.default_rng(4)
    for values in (rng.normal(size=40_000), rng.exponential(size=40_000), np.where(rng.random(40_000) < 0.05, 80.0, 10.0)):
        known = _judged(values)
        for name in DETECTORS:
            late = getattr(known, f"{name}_surprise")[10_000:]
            assert (late >= 2).mean() < 0.02, name
            assert (late >= 3).mean() < 0.003, name


def test_of_two_extremes_the_farther_is_the_more_surprising_without_a_cap() -> None:
    surprises = []
    for factor in (10, 100, 1_000, 10_000):
        values = _noise()
        values[2_500] += 2 * factor
        surprises.append(_surprise(_judged(values))[2_500])
    assert surprises == sorted(surprises)
    assert len(set(surprises)) == 4


def test_an_incident_of_hours_does_not_become_what_is_usual() -> None:
    values = _noise(6_000)
    values[3_000:3_180] += 200
    values[5_900] += 200
    known = _judged(values)
    assert known.season_surprise[3_001:3_170].min() > 1
    assert _surprise(known)[5_900] > 1
    assert known.spread[5_900] < 4


def test_an_incident_in_the_first_minutes_of_a_series_does_not_become_what_is_usual() -> None:
    values = np.concatenate([_noise(24), np.full(2, 300.0)])
    known = _judged(values, 5_000_000)
    assert known.season_surprise[24] > 3
    assert known.season_surprise[25] > 4


@pytest.mark.parametrize("values", [np.zeros(500), np.full(500, 7.0), np.full(500, -3e9)], ids=["zeros", "flat", "far below zero"])
def test_a_flat_series_never_surprises_until_it_moves(values: NDArray[Any]) -> None:
    values = values.copy()
    values[450] += 0.5 * abs(values[450]) + 1
    surprise = _surprise(_judged(values))
    assert np.nanmax(surprise[:450]) < 1
    assert surprise[450] > 5


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 1, 1, 60, 1440, 20_000, -3]),
            st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1e300, float("nan"), float("-inf")]),
        ),
        min_size=1,
        max_size=120,
    )
)
def test_whatever_comes_a_surprise_is_null_or_not_negative_and_finite(steps: list[tuple[int, float]]) -> None:
    times = START + np.cumsum([minutes for minutes, _ in steps]) * MINUTE
    known = causal_baselines(times, np.array([value for _, value in steps]), 60)
    for name in DETECTORS:
        surprise = getattr(known, f"{name}_surprise")
        assert np.array_equal(np.isnan(surprise), np.isnan(known.expected))
        assert not np.isinf(surprise).any()
        assert (surprise[~np.isnan(surprise)] >= 0).all()


def test_chance_of_small_numbers_widens_what_is_usual() -> None:
    def last(floor: float) -> float:
        pool = SeriesPool(60, seasonal=False)
        row = pool.find_or_add(np.array([7], np.uint64), np.array([1], np.uint64), np.array([0]), np.array([START]))
        for i, value in enumerate([*([0.0] * 40), 0.3]):
            known = pool.push(row, np.array([START + i * MINUTE]), np.array([value]), lambda expected: np.full(len(expected), floor))
        return float(known.step_surprise[0])

    assert last(0.5) < 1 < 4 < last(0.0)


def test_a_newest_point_that_late_data_changed_is_judged_as_if_it_had_come_so() -> None:
    def pool_after(last: float) -> tuple[SeriesPool, NDArray[Any], BaselineColumns]:
        pool = SeriesPool(60, seasonal=False)
        row = pool.find_or_add(np.array([7], np.uint64), np.array([1], np.uint64), np.array([0]), np.array([START]))
        for i, value in enumerate([*_noise(200).tolist(), last]):
            known = pool.push(row, np.array([START + i * MINUTE]), np.array([value]))
        return pool, row, known

    pool, row, told = pool_after(160.0)
    right, _, wanted = pool_after(103.0)
    again = pool.correct(row, np.array([200]), np.array([103.0]), told.expected, np.zeros(1))
    # the histogram has counted the first value: the judgement is near, not the same
    np.testing.assert_allclose(again[0], [getattr(wanted, f"{name}_surprise")[0] for name in DETECTORS], atol=0.02)
    assert told.step_surprise[0] > 3 > again[0, 1]
    for field in ("fast", "slow", "usual", "energy"):
        np.testing.assert_allclose(pool[field][row], right[field][row], rtol=0.01)


@given(st.lists(st.lists(st.floats(0, 1e6), min_size=2, max_size=2), min_size=1, max_size=60))
def test_counting_one_by_one_gives_the_same_surprises_as_all_at_once(rows: list[list[float]]) -> None:
    excess = np.array(rows)
    counts, total = np.zeros((1, 2, BINS), np.float32), np.zeros(1)
    one_by_one = np.concatenate([count(counts, total, row[None]) for row in excess])
    np.testing.assert_allclose(one_by_one, follow_surprises(excess), rtol=1e-9)
    assert total[0] == counts[0, 0].sum() == len(rows)


def test_the_past_fades_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.measure.tails._MOST", 64.0)
    excess = np.random.default_rng(5).exponential(3, (400, 1))
    counts, total = np.zeros((1, 1, BINS), np.float32), np.zeros(1)
    one_by_one = np.concatenate([count(counts, total, row[None]) for row in excess])
    np.testing.assert_allclose(one_by_one, follow_surprises(excess), rtol=1e-6)
    assert total[0] < 64


@given(st.floats(0, 1e12))
def test_a_place_is_within_the_histogram(excess: float) -> None:
    bins, share = places(np.array([excess]))
    assert 0 <= bins[0] < BINS
    assert 0 <= share[0] <= 1


def test_a_series_and_its_detectors_take_less_than_2_kilobytes() -> None:
    pool = SeriesPool(60, seasonal=True)
    keys = np.arange(1, 1_001, dtype=np.uint64)
    pool.find_or_add(keys, keys, np.zeros(1_000, np.int64), np.full(1_000, START))
    names = [name for name, _ in sorted(vars(pool)["_fields"].items())]
    assert sum(pool[name].nbytes for name in names) / len(pool["key"]) < 2_048
