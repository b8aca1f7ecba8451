from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from schemas.errors import AnomasecError
from udfs.scorers.forest import FEATURES, forest_features, forest_score
from udfs.scorers.forest_model import ForestModel, fit_forest, load_current, store_model


def _columns(n: int = 1_500, seed: int = 0) -> list[Any]:
    random = np.random.default_rng(seed)
    expected = random.uniform(1, 1000, n)
    value, previous = (expected * random.normal(1, 0.1, n) for _ in range(2))
    return [pd.Series(x) for x in (value, expected, expected * 0.1, expected, previous, random.integers(1, 100, n).astype(float))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    facts = {"features": FEATURES, "trained_from": "2026-01-01", "trained_to": "2026-01-02", "rows": 1_500}
    store_model(folder, fit_forest(forest_features(*_columns()), trees=20), facts)
    return folder


def _load(folder: Path) -> ForestModel:
    model = load_current(folder)
    assert model is not None
    return model


def test_the_score_is_sklearns_times_100(folder: Path) -> None:
    columns = _columns(200, seed=5)
    model = _load(folder)
    sklearn = -100.0 * model.forest.score_samples(forest_features(*columns))
    np.testing.assert_allclose(forest_score(*[*columns, model]), sklearn, rtol=1e-12)


def test_features_do_not_depend_on_the_unit() -> None:
    columns = _columns(100)
    scaled = [c * 1_000 if i < 5 else c for i, c in enumerate(columns)]
    np.testing.assert_allclose(forest_features(*scaled), forest_features(*columns), rtol=1e-5, atol=1e-6)
    assert forest_features(*columns).shape == (100, len(FEATURES))


def test_without_a_model_all_scores_are_null(tmp_path: Path) -> None:
    assert load_current(tmp_path) is None
    assert load_current("") is None
    assert forest_score(*[*_columns(3), None]).isna().all()


def test_the_same_points_give_the_same_model(folder: Path, tmp_path: Path) -> None:
    facts = {"features": FEATURES, "trained_from": "2026-01-01", "trained_to": "2026-01-02", "rows": 1_500}
    again = store_model(tmp_path, fit_forest(forest_features(*_columns()), trees=20), facts)
    assert again == _load(folder).card


def test_a_model_is_read_once_and_again_when_it_changes(folder: Path) -> None:
    assert load_current(folder) is load_current(folder)


def test_a_damaged_model_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    card = _load(folder).card
    model = tmp_path / f"{card.version}.joblib"
    model.write_bytes((folder / model.name).read_bytes()[:-1])
    model.with_suffix(".json").write_text(json.dumps(dataclasses.asdict(card)))
    (tmp_path / "current").write_text(card.version)
    with pytest.raises(AnomasecError, match="checksum"):
        load_current(tmp_path)
    model.with_suffix(".json").write_text(json.dumps({**dataclasses.asdict(card), "sklearn_version": "0.1"}))
    model.touch()
    with pytest.raises(AnomasecError, match=r"scikit-learn 0\.1"):
        load_current(tmp_path)
    model.unlink()
    with pytest.raises(AnomasecError, match="not there"):
        load_current(tmp_path)
