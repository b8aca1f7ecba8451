"""`anomasec check` on SQL as shipped, and on the mistakes people make."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.config import load_config
from jobs.score import check as module
from jobs.score.check import CheckResult, check_sql, knob_mistakes
from jobs.score.sql import kafka_values
from schemas.errors import SqlError
from tests.score.conftest import SQL_DIR

pytestmark = pytest.mark.flink


@pytest.fixture
def sql_dir(tmp_path: Path) -> Path:
    shutil.copytree(SQL_DIR / "flink", tmp_path / "flink")
    return tmp_path


def _check(sql_dir: Path, t_env: Any, monkeypatch: pytest.MonkeyPatch) -> CheckResult:
    monkeypatch.setattr(module, "local_environment", lambda **_: t_env)  # the session's own, a second would do as well
    return check_sql(sql_dir, kafka_values(load_config(env={})))


def _edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def test_the_sql_as_shipped_is_right(sql_dir: Path, t_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _check(sql_dir, t_env, monkeypatch)
    assert result.mistakes == []
    assert result.plan is not None
    assert "every function is evaluated once" in "\n".join(result.plan.lines())
    assert "none: each row is judged by itself" in "\n".join(result.plan.lines())


def test_all_mistakes_are_told_each_with_its_place_and_what_was_meant(sql_dir: Path, t_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    flink = sql_dir / "flink"
    _edit(flink / "knobs.sql", ("measure.history", "measure.histry"), ("'10 s'", "'ten seconds'"))
    _edit(
        flink / "score.sql",
        ("deviation_score(`value`, expected", "deviation_scor(`value`, expekted"),
        ("history_count >= min_history", "histry_count >= min_history"),
        ("FROM voted AS", "FROM votd AS"),
    )
    (flink / "functions.sql").write_text(
        (flink / "functions.sql").read_text() + "CREATE TEMPORARY FUNCTION mine AS 'udfs.registry.forest_scor' LANGUAGE PYTHON;\n"
    )
    told = [str(m).removeprefix(f"{flink}/") for m in _check(sql_dir, t_env, monkeypatch).mistakes]
    lines = (flink / "score.sql").read_text().splitlines()

    def at(word: str) -> str:
        line = next(i for i, text in enumerate(lines) if word in text)
        return f"score.sql:{line + 1}:{lines[line].index(word) + 1}"

    assert re.match(r"knobs\.sql:\d+: bad value for 'anomasec\.assemble\.idle_wait'", told[0])
    assert told[1].endswith("unknown knob 'anomasec.measure.histry'; did you mean 'anomasec.measure.history'?")
    assert told[2].endswith("no function 'forest_scor' in udfs.registry; did you mean 'forest_score'?")
    assert told[3:] == [
        f"{at('deviation_scor(')}: unknown function 'deviation_scor'; did you mean 'deviation_score'?",
        f"{at('expekted')}: unknown column 'expekted'; did you mean 'expected'?",
        f"{at('histry_count')}: unknown column 'histry_count'; did you mean 'history_count'?",
        f"{at('votd')}: unknown table 'votd'; did you mean 'voted'?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("FROM points AS p", "FORM points AS p", "FORM|points"),
        ("c.rule.threshold", "c.rule.treshold", "treshold"),
        ("season_weight * COALESCE(season", "metric * COALESCE(season", r"Cannot apply '\*'.*CAST"),
        ("    revision,\n    emitted_ms\nFROM", "    emitted_ms\nFROM", "lacks revision"),
        (
            "    `value`,\n    weight,\n    score,",
            "    value,\n    weight,\n    score,",
            "'value' is a word of SQL; write `value` in backticks",
        ),
        ("FROM points AS p\n)", "FROM points AS p\n", "not expected|too early"),
    ],
)
def test_one_mistake_is_one_line_that_names_file_and_line(
    sql_dir: Path, t_env: Any, monkeypatch: pytest.MonkeyPatch, old: str, new: str, told: str
) -> None:
    _edit(sql_dir / "flink" / "score.sql", (old, new))
    mistakes = _check(sql_dir, t_env, monkeypatch).mistakes
    assert len(mistakes) == 1
    line = str(mistakes[0])
    assert "\n" not in line
    assert re.search(r"score\.sql:\d+:\d+: ", line)
    assert re.search(told, line), line
    assert "Exception" not in line


def test_a_knob_is_found_wrong_without_flink(tmp_path: Path) -> None:
    path = tmp_path / "knobs.sql"
    path.write_text("SET 'anomasec.pipeline.tick' = '2 s';\nnonsense\nSET 'anomasec.a.b' = '1';\n")
    assert [str(m).split(": ")[0] for m in knob_mistakes(path)] == [f"{path}:2", f"{path}:3"]


def test_a_folder_without_the_sql_is_told(tmp_path: Path) -> None:
    with pytest.raises(SqlError, match=r"no score\.sql"):
        check_sql(tmp_path, {})
