"""Laws every scorer of the registry keeps. A new scorer is held to them without being named here."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.registry import FUNCTIONS, Function
from udfs.scorers.forest import FEATURES, forest_features
from udfs.scorers.forest_model import ForestModel, ModelCard, fit_forest

SCORERS = [f for f in FUNCTIONS.values() if f.kind == "scorer"]

_number = st.floats(-1e9, 1e9, allow_nan=False) | st.sampled_from([0.0, float("nan"), 1e-12])
_columns = {
    "value": _number,
    "expected": _number,
    "spread": st.floats(0, 1e6) | st.just(float("nan")),
    "seasonal_expected": _number,
    "previous": _number,
    "weight": st.floats(0, 1e6) | st.just(float("nan")),
}
_points = st.lists(st.fixed_dictionaries(_columns), min_size=1, max_size=30).map(lambda rows: pd.DataFrame(rows, dtype="float64"))


def _model() -> ForestModel:
    random = np.random.default_rng(1)
    n = 2_000
    s = pd.Series
    expected = s(random.uniform(1, 100, n))
    value = expected * random.normal(1, 0.1, n)
    spread, previous, weight = expected * 0.1, expected * random.normal(1, 0.1, n), s(random.integers(1, 500, n).astype(float))
    features = forest_features(value, expected, spread, expected, previous, weight)
    card = ModelCard("forest-test", FEATURES, "", "", n, "", "")
    return ForestModel(fit_forest(features, trees=20), card)


_MODEL = _model()


def _score(scorer: Function, points: pd.DataFrame) -> pd.Series:
    """Call with the columns its parameters are named after."""
    names = [name for name in inspect.signature(scorer.compute).parameters if name != "model"]
    extra: dict[str, Any] = {"model": _MODEL} if scorer.needs_model else {}
    return scorer.compute(*(points[name] for name in names), **extra)


def test_there_are_scorers_to_hold_to_the_laws() -> None:
    assert {f.name for f in SCORERS} >= {"deviation_score", "forest_score"}


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda f: f.name)
@given(points=_points)
def test_scores_are_float64_of_the_same_length_and_index_and_0_to_100_or_null(scorer: Function, points: pd.DataFrame) -> None:
    points.index = pd.RangeIndex(7, 7 + len(points))
    scores = _score(scorer, points)
    assert scores.dtype == np.float64
    assert scores.index.equals(points.index)
    known = scores.dropna()
    assert ((known >= 0) & (known <= 100)).all()


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda f: f.name)
@given(points=_points)
def test_score_is_null_exactly_where_value_or_baseline_is(scorer: Function, points: pd.DataFrame) -> None:
    missing = points[["value", "expected", "spread"]].isna().any(axis=1)
    assert _score(scorer, points).isna().tolist() == missing.tolist()


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda f: f.name)
@given(points=_points)
def test_the_input_is_not_changed(scorer: Function, points: pd.DataFrame) -> None:
    before = points.copy(deep=True)
    _score(scorer, points)
    pd.testing.assert_frame_equal(points, before)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda f: f.name)
@given(points=_points, cut=st.integers(0, 30), seed=st.integers(0, 5))
def test_the_score_of_a_point_depends_on_no_other_point_of_its_batch(scorer: Function, points: pd.DataFrame, cut: int, seed: int) -> None:
    whole = _score(scorer, points)
    parts = [part for part in (points.iloc[:cut], points.iloc[cut:]) if len(part)]
    pd.testing.assert_series_equal(pd.concat([_score(scorer, part) for part in parts]), whole, check_exact=True)
    shuffled = points.sample(frac=1, random_state=seed)
    pd.testing.assert_series_equal(_score(scorer, shuffled).sort_index(), whole, check_exact=True)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda f: f.name)
@pytest.mark.parametrize("sign", [1, -1], ids=["up", "down"])
def test_a_value_far_from_what_is_expected_scores_higher_than_one_near(scorer: Function, sign: int) -> None:
    spreads = np.array([0.0, 2.0, 30.0, 3_000.0])
    points = pd.DataFrame({"value": 100 + sign * 5 * spreads, "expected": 100.0, "spread": 5.0, "seasonal_expected": 100.0})
    points = points.assign(previous=100.0, weight=50.0)
    scores = _score(scorer, points)
    assert scores.is_monotonic_increasing
    assert scores.iloc[-1] > scores.iloc[0] + 10


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda f: f.name)
def test_an_empty_batch_gives_an_empty_column(scorer: Function) -> None:
    empty = pd.DataFrame({name: pd.Series(dtype="float64") for name in _columns})
    assert len(_score(scorer, empty)) == 0


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda f: f.name)
def test_every_registered_function_says_what_it_does_and_takes(function: Function) -> None:
    doc = inspect.getdoc(function.compute) or ""
    assert len(doc.splitlines()) > 3
    assert function.compute.__name__ == function.name
