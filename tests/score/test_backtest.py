from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from jobs.backtest import backtest
from schemas.errors import AnomasecError
from tests.score.conftest import SQL_DIR

_ROWS = 400


def _value(i: int) -> float:
    return 100 + 10 * math.sin(i / 9) + (i * 7919 % 13) / 4 + (300 if 350 <= i < 353 else 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of awkward files and the folder of its verdicts, one start of Flink for all."""
    source, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out") / "deep"
    t = 1_700_000_000
    (source / "spike.csv").write_text("timestamp,value\n" + "".join(f"{t + 60 * i},{_value(i)}\n" for i in range(_ROWS)))
    (source / "cut.csv").write_text("timestamp,value\n" + "".join(f"{t + 60 * i},{_value(i)}\n" for i in range(352)))
    two = [f"{t + 60 * (i // 2)},{_value(i // 2) if i % 2 else 5},{'ab'[i % 2]},cpu" for i in range(2 * _ROWS)]
    (source / "two.csv").write_text("time,value,entity,metric\n" + "\n".join(two) + "\n")
    # repeated and backward times, a gap of days, empty values, a flat stretch
    odd = [f"{t + 60 * (i if i % 50 else i - 3) + (i > 200) * 864_000},{'' if i % 41 == 0 else 7}" for i in range(_ROWS)]
    (source / "odd.csv").write_text("time,value\n" + "\n".join(odd) + "\n")
    (source / "empty.csv").write_text("time,value\n")
    summary = backtest(source, out, SQL_DIR)
    assert (summary.files, summary.rows) == (5, _ROWS + 352 + 3 * _ROWS)
    return source, out


@pytest.mark.flink
def test_every_row_comes_back_in_its_place_with_its_own_text(folder: tuple[Path, Path]) -> None:
    source, out = folder
    for path in source.iterdir():
        before, after = (pl.read_csv(p / path.name, infer_schema=False) for p in folder)
        assert after.columns[-7:] == ["score", "surprise", "expected", "lower", "upper", "is_anomaly", "reason"]
        renamed = before.rename({before.columns[0]: "time"})
        assert after.select(renamed.columns).equals(renamed), path.name
    assert after.columns[0] == "time"


@pytest.mark.flink
def test_the_spike_is_found_and_explained(folder: tuple[Path, Path]) -> None:
    scored = pl.read_csv(folder[1] / "spike.csv", infer_schema_length=None)
    assert scored["is_anomaly"].arg_true().to_list()[:1] == [350]
    row = scored.row(350, named=True)
    assert "expected" in row["reason"]
    assert row["lower"] < row["expected"] < row["upper"] < row["value"]
    assert scored["score"].arg_max() in (350, 351, 352)
    assert scored["score"].head(12).null_count() == 12
    assert scored["score"].tail(300).null_count() == 0


@pytest.mark.flink
def test_a_verdict_rests_on_nothing_that_comes_later(folder: tuple[Path, Path]) -> None:
    whole, cut = (pl.read_csv(folder[1] / name, infer_schema=False) for name in ("spike.csv", "cut.csv"))
    assert whole.head(352).equals(cut)


@pytest.mark.flink
def test_series_in_one_file_are_judged_apart(folder: tuple[Path, Path]) -> None:
    two = pl.read_csv(folder[1] / "two.csv", infer_schema_length=None)
    alone = pl.read_csv(folder[1] / "spike.csv", infer_schema_length=None)
    assert two.filter(pl.col("entity") == "b")["score"].to_list() == alone["score"].to_list()
    assert two.filter((pl.col("entity") == "a") & pl.col("is_anomaly")).height == 0


@pytest.mark.flink
def test_gaps_have_no_score_and_a_flat_series_no_anomaly(folder: tuple[Path, Path]) -> None:
    odd = pl.read_csv(folder[1] / "odd.csv", infer_schema_length=None)
    assert odd.filter(pl.col("value").is_null())["score"].null_count() == odd["value"].null_count() == 10
    assert odd["is_anomaly"].sum() == 0


def test_a_bad_row_stops_it_before_flink_starts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,value\n1,one\n")
    with pytest.raises(AnomasecError, match=r"a\.csv:2: not a value: 'one'"):
        backtest(tmp_path / "a.csv", tmp_path / "out.csv", SQL_DIR)
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_into_a_file_or_an_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(AnomasecError, match="no CSV files"):
        backtest(tmp_path / "empty", tmp_path / "out", SQL_DIR)
    with pytest.raises(AnomasecError, match="name a folder by --out"):
        backtest(tmp_path / "empty", tmp_path / "file", SQL_DIR)
