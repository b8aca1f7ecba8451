"""The exercises of sql/README.md, done as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.score.check import drop_tables
from jobs.score.sql import build_scores, read_sql
from jobs.score.wire import points_to_json_lines
from schemas.framing import from_payload
from tests.score.conftest import SQL_DIR
from tests.score.points import make_points

pytestmark = pytest.mark.flink

_README = (SQL_DIR / "README.md").read_text()
_SUNDAY_US = 1_700_352_000_000_000  # 2023-11-19T00:00:00Z
_DAY_US = 86_400_000_000


def _sql_of(exercise: int) -> str:
    """The first SQL block of an exercise."""
    text = _README.split(f"**{exercise}. ")[1]
    return str(re.findall(r"```sql\n(.*?)\n```", text, re.DOTALL)[0])


def _edited(folder: Path, before: str, after: str) -> Path:
    """A copy of the SQL with one edit."""
    (folder / "flink").mkdir(parents=True)
    for path in (SQL_DIR / "flink").glob("*.sql"):
        (folder / "flink" / path.name).write_text(path.read_text())
    score = folder / "flink" / "score.sql"
    assert before in score.read_text()
    score.write_text(score.read_text().replace(before, after))
    return folder


def _scores(t_env: Any, folder: Path, sql_dir: Path, points: pa.Table) -> list[dict[str, Any]]:
    (folder / "points").mkdir()
    (folder / "points" / "p.json").write_bytes(b"\n".join(points_to_json_lines(points)))
    drop_tables(t_env)
    table = build_scores(t_env, read_sql(sql_dir, {"path": str(folder / "points")}, bounded=True))
    with table.execute().collect() as rows:
        scores = pa.concat_tables([from_payload(bytes(row[0])) for row in rows])
    return sorted(scores.to_pylist(), key=lambda row: row["time"])


def test_a_route_is_silent_on_sundays_only(t_env: Any, tmp_path: Path) -> None:
    first_rule = "            WHEN entity_kind = 'route'   AND entity LIKE '% GET /health%'"
    sql_dir = _edited(tmp_path / "sql", first_rule, f"            {_sql_of(5)}\n{first_rule}")
    days = [_SUNDAY_US - 1, _SUNDAY_US, _SUNDAY_US + _DAY_US - 1, _SUNDAY_US + _DAY_US]
    slow = make_points(4, time=days, entity="shop POST /import", value=412.0, season_surprise=6.0)
    assert [row["is_anomaly"] for row in _scores(t_env, tmp_path, sql_dir, slow)] == [True, False, False, True]


def test_a_detector_written_in_sql_takes_part_in_the_score(t_env: Any, tmp_path: Path) -> None:
    default = next(line for line in (SQL_DIR / "flink" / "score.sql").read_text().splitlines() if "AS own_surprise" in line)
    sql_dir = _edited(tmp_path / "sql", default, _sql_of(7))
    points = make_points(3, value=[100.0, 1_000.0, 0.0], previous=[100.0, 100.0, 100.0])
    steady, jump, unknown = _scores(t_env, tmp_path, sql_dir, points)
    assert steady["surprise"] == pytest.approx(0.3)
    assert jump["surprise"] == pytest.approx(4.0)
    assert jump["is_anomaly"]
    assert unknown["surprise"] == pytest.approx(0.3)


def test_a_weight_of_0_takes_a_detector_out_of_the_vote(t_env: Any, tmp_path: Path) -> None:
    sql_dir = _edited(tmp_path / "sql", "CAST(1.0 AS DOUBLE)  AS step_weight", "CAST(0.0 AS DOUBLE)  AS step_weight")
    (row,) = _scores(t_env, tmp_path, sql_dir, make_points(1, value=412.0, step_surprise=9.0))
    assert row["surprise"] == pytest.approx(0.3)
    assert row["step_surprise"] == 9.0
