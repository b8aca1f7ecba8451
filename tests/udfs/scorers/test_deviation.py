from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from udfs.scorers import deviation, reason
from udfs.scorers.deviation import deviation_lower, deviation_score, deviation_upper, spreads_of_score

_NAN = float("nan")


def _score(value: float, expected: float = 100.0, spread: float = 10.0, seasonal: float = _NAN, weight: float = _NAN) -> float:
    columns = (pd.Series([x], dtype="float64") for x in (value, expected, spread, seasonal, weight))
    return float(deviation_score(*columns).iloc[0])


def test_the_examples_of_the_documentation_are_right() -> None:
    for module in (deviation, reason):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


def test_three_spreads_score_50_whatever_the_unit() -> None:
    assert _score(130) == 50.0
    assert _score(0.00130, 0.00100, 0.00010) == _near(50.0)
    assert _score(70) == 50.0


def test_extremes_keep_their_order() -> None:
    scores = [_score(100 + 10 * d) for d in (1e2, 1e4, 1e6, 1e9, 1e12)]
    assert scores == sorted(set(scores))


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_score_grows_with_the_distance(a: float, b: float) -> None:
    near, far = sorted((a, b))
    assert _score(100 + near) <= _score(100 + far)


def test_the_season_forgives_half_of_what_it_explains() -> None:
    assert _score(130, seasonal=130.0) == _score(115)
    assert _score(130, seasonal=100.0) == _score(130)
    assert _score(130, seasonal=50.0) == _score(130)


def test_few_events_widen_the_spread_but_never_silence_it() -> None:
    assert _score(130, weight=1.0) == _score(115)
    assert _score(130, weight=0.0) == _score(115)
    assert _score(130, weight=1e9) == _near(50.0)


def test_a_flat_series_is_measured_by_a_hundredth_of_its_level() -> None:
    assert _score(103, spread=0.0) == _near(50.0)
    assert 99 < _score(1.0, expected=0.0, spread=0.0) < 100


def test_infinite_values_have_no_score() -> None:
    assert np.isnan(_score(float("inf")))
    assert np.isnan(_score(1.0, spread=float("inf")))


@given(st.floats(-1e6, 1e6), st.floats(0, 1e5), st.floats(-1e6, 1e6) | st.just(_NAN), st.floats(1, 1e4), st.floats(0.5, 20))
def test_a_value_outside_of_the_bounds_scores_what_the_band_scores_or_more(
    expected: float, spread: float, seasonal: float, weight: float, band: float
) -> None:
    columns = [pd.Series([x], dtype="float64") for x in (expected, spread, seasonal, weight, band)]
    lower, upper = float(deviation_lower(*columns).iloc[0]), float(deviation_upper(*columns).iloc[0])
    assert lower <= expected <= upper
    least = 100 * band / (band + 3)
    for outside in (lower - 1e-6 * (1 + abs(lower)), upper + 1e-6 * (1 + abs(upper))):
        assert _score(outside, expected, spread, seasonal, weight) >= least - 1e-6


def test_a_threshold_can_be_read_as_spreads() -> None:
    assert _score(100 + 10 * spreads_of_score(70.0)) == _near(70.0)


def _near(number: float) -> object:
    import pytest

    return pytest.approx(number, rel=1e-9)
