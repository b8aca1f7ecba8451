"""What is expected of a series' next point, and that streaming says the same as looking back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.measure.baseline import WARM_UP, BaselineColumns, causal_baselines
from jobs.measure.metrics import METRICS, spread_floor
from jobs.measure.series import SeriesPool
from tests.measure.rows import MINUTE, START

_HISTORY = 60
_DAY = 1440 * MINUTE
_VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, 5.0, float("nan"), float("inf")]))


def _minutes(n: int) -> NDArray[Any]:
    return START + np.arange(n) * MINUTE


def _same(one: BaselineColumns, other: BaselineColumns) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True) for a, b in pairs)


def _streamed(times: NDArray[Any], values: NDArray[Any], history: int, restart_at: int = -1) -> BaselineColumns:
    """Point by point through a pool, which may be written and read back on the way."""
    pool = SeriesPool(history, seasonal=True)
    segments: dict[str, bytes] = {}
    row = pool.find_or_add(np.array([7], np.uint64), np.array([1], np.uint64), np.array([0]), times[:1])
    got: dict[str, list[float]] = {name: [] for name in BaselineColumns.__dataclass_fields__}
    for i in range(len(times)):
        at = slice(i, i + 1)
        for name, column in vars(pool.push(row, times[at], values[at])).items():
            got[name].append(column[0])
        segments |= {name: blob for name, blob in pool.changes("p").items() if blob is not None}
        if i == restart_at:
            pool = SeriesPool(history, seasonal=True)
            pool.restore("p", segments)
            row = pool.find(np.array([7], np.uint64))
    return BaselineColumns(**{name: np.array(column) for name, column in got.items()})


@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 7, 60, 600, 1440, -3]), _VALUES), min_size=1, max_size=60),
    st.sampled_from([5, 20, 60]),
    st.integers(-1, 60),
)
def test_streaming_says_the_same_as_looking_back(steps: list[tuple[int, float]], history: int, restart_at: int) -> None:
    times = START + np.cumsum([minutes for minutes, _ in steps]) * MINUTE
    values = np.array([value for _, value in steps])
    assert _same(_streamed(times, values, history, restart_at), causal_baselines(times, values, history))


def test_streaming_says_the_same_as_looking_back_over_days() -> None:
    rng = np.random.default_rng(1)
    times = START + np.arange(3 * 288) * 5 * MINUTE
    values = 100 + 50 * np.sin(times / _DAY * 2 * np.pi) + rng.normal(size=len(times))
    assert _same(_streamed(times, values, _HISTORY, 400), causal_baselines(times, values, _HISTORY))


@given(st.lists(_VALUES, min_size=2, max_size=80), st.data())
def test_a_baseline_knows_nothing_of_its_own_point_or_later_ones(values: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    known = causal_baselines(_minutes(len(values)), np.array(values), _HISTORY)
    other = np.array(values)
    other[cut:] = 1e9
    changed = causal_baselines(_minutes(len(values)), other, _HISTORY)
    assert np.array_equal(known.expected[:cut], changed.expected[:cut], equal_nan=True)
    assert np.array_equal(known.spread[:cut], changed.spread[:cut], equal_nan=True)
    if np.isfinite(values[cut]):
        assert known.expected[cut] == pytest.approx(changed.expected[cut], nan_ok=True)


def test_nothing_is_expected_before_the_warm_up_is_over() -> None:
    known = causal_baselines(_minutes(WARM_UP + 2), np.ones(WARM_UP + 2), _HISTORY)
    assert np.isnan(known.expected[:WARM_UP]).all()
    assert known.expected[WARM_UP:].tolist() == [1.0, 1.0]
    assert known.history_count.tolist() == list(range(WARM_UP + 2))


def test_a_flat_series_has_a_positive_spread() -> None:
    known = causal_baselines(_minutes(200), np.full(200, 5.0), _HISTORY)
    assert known.spread[-1] == pytest.approx(0.005)
    assert (causal_baselines(_minutes(200), np.zeros(200), _HISTORY).spread[WARM_UP:] > 0).all()


def test_a_burst_of_outliers_moves_neither_level_nor_spread_much() -> None:
    values = np.random.default_rng(2).normal(100, 2, 300)
    values[200:220] = 1_000
    known = causal_baselines(_minutes(300), values, _HISTORY)
    assert np.abs(known.expected[200:260] - 100).max() < 3
    assert known.spread[200:260].max() < 5


def test_a_lasting_shift_becomes_the_level_after_half_the_history() -> None:
    values = np.concatenate([np.full(100, 10.0), np.full(100, 20.0)])
    known = causal_baselines(_minutes(200), values, _HISTORY)
    assert known.expected[100 + _HISTORY // 2 - 1] == 10.0
    assert known.expected[100 + _HISTORY // 2 + 1] == 20.0


def test_the_time_of_day_is_known_from_the_second_day_on() -> None:
    times = _minutes(3 * 1440)
    values = 100 + 50 * np.sin(times / _DAY * 2 * np.pi)
    known = causal_baselines(times, values, _HISTORY)
    assert np.isnan(known.seasonal_expected[:1440]).all()
    assert np.abs(known.seasonal_expected - values)[1440:].max() < 5
    late, early = slice(2 * 1440, None), slice(100, 1440)
    assert np.abs(known.expected - values)[late].mean() < np.abs(known.expected - values)[early].mean() / 3


def test_one_bad_day_does_not_become_the_norm() -> None:
    times = _minutes(6 * 1440)
    values = np.random.default_rng(3).normal(100, 1, len(times))
    values[4 * 1440 : 5 * 1440] = 500
    known = causal_baselines(times, values, _HISTORY)
    assert np.median(known.seasonal_expected[5 * 1440 :]) < 110


def test_an_exact_repeat_gets_the_same_baseline_and_does_not_count() -> None:
    times, values = _minutes(30), np.arange(30.0)
    repeated = causal_baselines(np.insert(times, 20, times[19]), np.insert(values, 20, values[19]), _HISTORY)
    once = causal_baselines(times, values, _HISTORY)
    assert repeated.expected[20] == once.expected[19]
    assert np.array_equal(np.delete(repeated.history_count, 20), once.history_count)


def test_no_points_give_no_baselines() -> None:
    assert len(causal_baselines(np.zeros(0, np.int64), np.zeros(0), _HISTORY).expected) == 0


@pytest.mark.parametrize(
    ("metric", "expected", "value", "weight", "surprising"),
    [
        ("error_ratio", 0.0, 1 / 3, 3, False),
        ("error_ratio", 0.0, 0.001, 1000, False),
        ("error_ratio", 0.0, 0.2, 100, True),
        ("error_ratio_backend", 0.01, 0.02, 200, False),
        ("request_rate", 0.2, 0.6, 3, False),
        ("request_rate", 100.0, 0.0, 0, True),
        ("latency_ms_p95", 100.0, 180.0, 2, False),
        ("latency_ms_p95", 100.0, 180.0, 500, True),
    ],
)
def test_small_numbers_are_no_surprise(metric: str, expected: float, value: float, weight: float, surprising: bool) -> None:
    floor = spread_floor(np.array([METRICS.index(metric)]), np.array([expected]), np.array([float(weight)]), 5)
    assert bool(abs(value - expected) / floor[0] > 3) is surprising
