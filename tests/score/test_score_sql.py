"""The scoring SQL as shipped, run in a mini cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from jobs.score.check import drop_tables
from jobs.score.plan import summarise_plan
from jobs.score.sql import build_scores, kafka_values, read_sql, set_models
from jobs.score.wire import points_to_json_lines
from schemas.errors import SqlError
from schemas.framing import from_payload
from schemas.point import SCORE
from tests.score.conftest import SQL_DIR
from tests.score.points import make_points

pytestmark = pytest.mark.flink

_UNKNOWN = dict.fromkeys(("season_surprise", "step_surprise", "drift_surprise", "noise_surprise"))


def _score(t_env: Any, folder: Path, points: pa.Table, rows_per_message: int = 1_000, sql_dir: Path = SQL_DIR) -> list[pa.Table]:
    folder.mkdir(exist_ok=True)
    (folder / "points.json").write_bytes(b"\n".join(points_to_json_lines(points, rows_per_message)))
    drop_tables(t_env)
    table = build_scores(t_env, read_sql(sql_dir, {"path": str(folder)}, bounded=True))
    with table.execute().collect() as rows:
        return [from_payload(bytes(row[0])) for row in rows]


@pytest.fixture(scope="module")
def judged(_environment: Any, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Points of many kinds, one row each, with the name of the case as entity, judged by the SQL as shipped."""
    cases: dict[str, dict[str, Any]] = {
        "steady": {},
        "slow": {"value": 412.0, "season_surprise": 6.0},
        "fast": {"value": 1.0, "season_surprise": 6.0},
        "slow, few events": {"value": 412.0, "weight": 3.0, "season_surprise": 6.0},
        "slow, unknown weight": {"value": 412.0, "weight": None, "season_surprise": 6.0},
        "slow by little": {"value": 104.0, "spread": 0.1, "season_surprise": 6.0},
        "slow, as often": {"value": 412.0, "season_surprise": 2.0},
        "rare, within the band": {"value": 126.0, "season_surprise": 6.0},
        "drifting": {"value": 412.0, "drift_surprise": 6.0},
        "season not known": {"value": 412.0, "season_surprise": None, "step_surprise": 6.0},
        "warming up": {"value": 412.0, "history_count": 11},
        "no baseline": {"expected": None, "spread": None, "history_count": 0, **_UNKNOWN},
        "no value": {"value": None, **_UNKNOWN},
        "shop GET /health": {"value": 412.0, "season_surprise": 6.0},
        "quiet": {"metric": "request_rate", "value": 0.0, "weight": 0.0, "expected": 100.0, "spread": 4.0, "step_surprise": 6.0},
        "failing": {"metric": "error_ratio_backend", "value": 0.5, "expected": 0.01, "spread": 0.005, "step_surprise": 6.0},
        "healthy": {"metric": "error_ratio_backend", "value": 0.0, "expected": 0.2, "spread": 0.005, "step_surprise": 6.0},
    }
    parts = [make_points(1, entity=name, revision=i, **columns) for i, (name, columns) in enumerate(cases.items())]
    settings = _environment.get_config()
    size = settings.get("python.fn-execution.arrow.batch.size", "")
    settings.set("python.fn-execution.arrow.batch.size", "1")  # the smallest batches there are: nothing may get lost
    try:
        payloads = _score(_environment, tmp_path_factory.mktemp("judged"), pa.concat_tables(parts), rows_per_message=1)
    finally:
        settings.set("python.fn-execution.arrow.batch.size", size)
    assert [payload.num_rows for payload in payloads] == [1] * len(cases)
    return pa.concat_tables(payloads)


def _row(judged: pa.Table, entity: str) -> dict[str, Any]:
    rows = judged.filter(pc.equal(judged["entity"], entity)).to_pylist()
    assert len(rows) == 1
    return dict(rows[0])


def test_every_point_gets_one_score_in_the_declared_schema_in_batches_of_one_row(judged: pa.Table) -> None:
    assert judged.schema == SCORE.arrow
    assert sorted(judged["revision"].to_pylist()) == list(range(17))


@pytest.mark.parametrize("entity", ["slow", "slow, unknown weight", "quiet", "failing", "drifting", "season not known"])
def test_what_breaks_the_rule_of_its_metric_is_an_anomaly(judged: pa.Table, entity: str) -> None:
    assert _row(judged, entity)["is_anomaly"]


@pytest.mark.parametrize(
    "entity",
    ["steady", "fast", "slow, few events", "slow by little", "slow, as often", "rare, within the band", "shop GET /health", "healthy"],
)
def test_direction_weight_effect_and_exceptions_are_respected(judged: pa.Table, entity: str) -> None:
    row = _row(judged, entity)
    assert not row["is_anomaly"]
    assert row["reason"] == ""
    assert row["score"] is not None


@pytest.mark.parametrize("entity", ["warming up", "no baseline", "no value"])
def test_without_a_baseline_all_is_null_and_nothing_is_an_anomaly(judged: pa.Table, entity: str) -> None:
    row = _row(judged, entity)
    assert [row[name] for name in ("score", "surprise", "expected", "lower", "upper", "deviation_score", "step_surprise")] == [None] * 7
    assert not row["is_anomaly"]
    assert row["reason"] == ""


def test_the_reason_says_what_how_much_and_what_was_expected(judged: pa.Table) -> None:
    row = _row(judged, "slow")
    assert row["reason"] == f"latency_ms_p95 412 is 4.1x expected 100 ({row['lower']:.4g}..{row['upper']:.4g})"
    assert row["lower"] < 100 < row["upper"]


def test_the_strongest_vote_is_the_surprise_and_the_score_follows_from_it(judged: pa.Table) -> None:
    slow, drifting = _row(judged, "slow"), _row(judged, "drifting")
    assert slow["forest_score"] is None
    assert slow["surprise"] == 6.0
    assert slow["score"] == pytest.approx(100 * (1 - 10 ** (-6 / 5)))
    assert drifting["surprise"] == pytest.approx(0.75 * 6.0)


def test_the_sidecars_tests_hold(judged: pa.Table) -> None:
    rows = [{**row, "time_us": row["time"], "emitted_ms": row["emitted_at"]} for row in judged.to_pylist()]
    held: dict[str, Callable[[str, dict[str, Any]], bool]] = {
        "not_null": lambda name, row: row[name] is not None,
        "between_0_and_100": lambda name, row: row[name] is None or 0 <= row[name] <= 100,
        "not_negative": lambda name, row: row[name] is None or row[name] >= 0,
        "not_above_upper": lambda name, row: row[name] is None or row[name] <= row["upper"],
        "false_without_score": lambda name, row: row["score"] is not None or not row[name],
        "given_for_anomalies_only": lambda name, row: bool(row[name]) == row["is_anomaly"],
    }
    columns = yaml.safe_load((SQL_DIR / "flink" / "score.yml").read_text())["columns"]
    checked = [(name, test) for name, column in columns.items() for test in column.get("tests", ())]
    assert len(checked) > 10
    for name, test in checked:
        assert all(held[test](name, row) for row in rows), f"{name}: {test}"


def test_no_row_is_lost_or_doubled_in_batches_of_thousands(t_env: Any, tmp_path: Path) -> None:
    payloads = _score(t_env, tmp_path, make_points(5_003, revision=list(range(5_003))))
    assert max(payload.num_rows for payload in payloads) > 1_000
    assert sorted(r for payload in payloads for r in payload["revision"].to_pylist()) == list(range(5_003))


def test_every_function_is_evaluated_once_and_nothing_is_kept_in_state(t_env: Any) -> None:
    table = build_scores(t_env, read_sql(SQL_DIR, {"path": "/nowhere"}, bounded=True))
    plan = summarise_plan(table.explain())
    assert plan.sources == ("points",)
    assert [sorted(stage) for stage in plan.stages] == [
        ["deviation_lower", "deviation_score", "deviation_upper", "forest_score"],
        ["pack_scores"],
    ]
    assert plan.repeated == ()
    assert plan.stateful == ()


def test_the_kafka_table_with_its_watermark_is_planned_the_same_way(t_env: Any) -> None:
    from jobs.config import load_config
    from jobs.score.local import connector_jars

    if not connector_jars():
        pytest.skip("no Kafka connector in build/jars")
    table = build_scores(t_env, read_sql(SQL_DIR, kafka_values(load_config(env={}))))
    plan = summarise_plan(table.explain())
    assert plan.repeated == ()
    assert plan.stateful == ()


def test_the_models_folder_reaches_the_workers_beside_other_job_parameters(t_env: Any) -> None:
    t_env.get_config().set("pipeline.global-job-parameters", "a:b")
    set_models(t_env, Path("/x y/models"))
    set_models(t_env, Path("/z/models"))
    assert t_env.get_config().get("pipeline.global-job-parameters", "") == "a:b,anomasec.models:'/z/models'"
    t_env.get_config().set("pipeline.global-job-parameters", "")


def test_a_view_without_a_needed_column_is_told(t_env: Any, tmp_path: Path) -> None:
    (tmp_path / "flink").mkdir()
    for path in (SQL_DIR / "flink").glob("*.sql"):
        (tmp_path / "flink" / path.name).write_text(path.read_text())
    score = tmp_path / "flink" / "score.sql"
    score.write_text(score.read_text().replace("    revision,\n    emitted_ms\nFROM flagged", "    emitted_ms\nFROM flagged"))
    with pytest.raises(SqlError, match=r"score.sql:3:1: the view 'scores' lacks revision"):
        build_scores(t_env, read_sql(tmp_path, {"path": "/nowhere"}, bounded=True))
