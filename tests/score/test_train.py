from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.score.check import drop_tables
from jobs.score.sql import build_scores, read_sql, set_models
from jobs.score.wire import points_to_json_lines
from jobs.train import fit_points, read_points
from schemas.errors import AnomasecError, StoreError
from schemas.framing import from_payload
from tests.score.conftest import SQL_DIR
from tests.score.points import make_points
from udfs.scorers.forest_model import current_version, list_models, load_current, promote


def _points(n: int) -> pa.Table:
    random = np.random.default_rng(3)
    return make_points(n, value=random.normal(100, 10, n), previous=random.normal(100, 10, n))


def _training_rows(n: int) -> pa.Table:
    points = _points(n)
    names = ["value", "expected", "spread", "seasonal_expected", "previous", "weight"]
    return points.select(names).append_column("time_us", points["time"].cast(pa.int64()))


def test_the_model_knows_what_it_was_trained_on(tmp_path: Path) -> None:
    card = fit_points(_training_rows(2_000), tmp_path, trees=10)
    assert card.rows == 2_000
    assert card.trained_from == "2023-11-14T22:13:20+00:00"
    assert card.trained_to == "2023-11-16T07:32:20+00:00"
    assert (tmp_path / "current").read_text().strip() == card.version
    model = load_current(tmp_path)
    assert model is not None
    assert model.card == card


def test_a_model_that_does_worse_on_replay_is_kept_but_not_used(tmp_path: Path) -> None:
    good = fit_points(_training_rows(3_000), tmp_path, trees=50)
    assert good.metrics["planted_auc"] > 0.9
    blind = _training_rows(3_000)
    # spreads a thousand times too wide: whatever is planted looks like the rest
    wide = pa.array(blind["spread"].to_numpy() * np.where(np.arange(3_000) < 2_400, 1_000.0, 1.0))
    bad = fit_points(blind.set_column(blind.schema.get_field_index("spread"), "spread", wide), tmp_path, trees=1)
    assert bad.metrics["planted_auc"] < good.metrics["planted_auc"]
    assert current_version(tmp_path) == good.version
    assert {card.version for card in list_models(tmp_path)} == {good.version, bad.version}
    promote(tmp_path, bad.version)
    assert current_version(tmp_path) == bad.version
    promote(tmp_path, good.version)
    assert load_current(tmp_path).card == good  # type: ignore[union-attr]
    with pytest.raises(AnomasecError, match="no model forest-none"):
        promote(tmp_path, "forest-none")
    assert current_version(tmp_path) == good.version


def test_a_better_model_takes_over(tmp_path: Path) -> None:
    rows = _training_rows(3_000)
    fit_points(rows, tmp_path, trees=1)
    better = fit_points(rows, tmp_path, trees=50)
    assert current_version(tmp_path) == better.version


def test_a_current_model_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    first = fit_points(_training_rows(2_000), tmp_path, trees=10)
    (tmp_path / f"{first.version}.joblib").write_bytes(b"damaged")
    second = fit_points(_training_rows(2_500), tmp_path, trees=10)
    assert current_version(tmp_path) == second.version


def test_too_few_points_are_told(tmp_path: Path) -> None:
    with pytest.raises(AnomasecError, match="999 points with a baseline are too few"):
        fit_points(_training_rows(999), tmp_path)
    assert not (tmp_path / "current").exists()


class _Refusing:
    def query_arrow(self, *_: Any, **__: Any) -> pa.Table:
        raise ConnectionError("refused\nand more")


def test_a_store_that_does_not_answer_is_told_in_one_line() -> None:
    with pytest.raises(StoreError, match="cannot read points: refused; see"):
        read_points(_Refusing(), 10)


@pytest.mark.flink
def test_the_trained_forest_scores_in_the_workers(t_env: Any, tmp_path: Path) -> None:
    fit_points(_training_rows(2_000), tmp_path / "models", trees=10)
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "p.json").write_bytes(b"\n".join(points_to_json_lines(_points(200))))
    drop_tables(t_env)
    set_models(t_env, tmp_path / "models")
    try:
        table = build_scores(t_env, read_sql(SQL_DIR, {"path": str(tmp_path / "points")}, bounded=True))
        with table.execute().collect() as rows:
            scores = pa.concat_tables(from_payload(bytes(row[0])) for row in rows)
    finally:
        t_env.get_config().set("pipeline.global-job-parameters", "")
    assert scores["forest_score"].null_count == 0
    vote = 0.7 * (scores["forest_score"].to_numpy() - 50) / 10
    np.testing.assert_allclose(scores["surprise"].to_numpy(), np.maximum(vote, scores["season_surprise"].to_numpy()))


@pytest.mark.e2e
def test_points_are_read_from_a_real_store_the_same_each_time(tmp_path: Path) -> None:
    from jobs.migrate import migrate
    from jobs.stack.store.embedded import open_store

    with open_store(tmp_path, "anomasec") as client:
        migrate(client, "anomasec")
        client.database = "anomasec"
        cold = make_points(50, entity="cold", expected=None, spread=None)
        client.insert_arrow("points_data", pa.concat_tables([_points(2_000), cold]))
        rows = read_points(client, 10_000)
        assert rows.num_rows == 2_000
        few = read_points(client, 100)
        assert few.num_rows == 100
        assert few.equals(read_points(client, 100))
        assert fit_points(rows, tmp_path / "models", trees=5).rows == 2_000
