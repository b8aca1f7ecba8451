from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jobs.score.series_csv import read_series, write_verdicts
from schemas.errors import AnomasecError

_T = 1_700_000_000


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "time",
    [
        "1700000000",
        "1700000000.0",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14 22:13:20",
        "2023-11-14T23:13:20.000+01:00",
        "2023/11/14 22:13:20",
    ],
)
def test_times_are_read_in_every_usual_form(tmp_path: Path, time: str) -> None:
    assert read_series(_write(tmp_path, f"time,value\n{time},1\n")).time_us.tolist() == [_T * 1_000_000]


def test_forms_of_time_may_be_mixed_and_fractions_are_kept(tmp_path: Path) -> None:
    file = read_series(_write(tmp_path, "time,value\n1700000000.25,1\n2023-11-14T22:13:20.5Z,2\n2023-11-14,3\n"))
    assert (file.time_us - _T * 1_000_000).tolist() == [250_000, 500_000, -80_000_000_000]


@pytest.mark.parametrize(
    "text",
    [
        "time,value\n1,2\n",
        "Timestamp,Value\n1,2\n",
        "\ufefftime,value\r\n1,2\r\n",
        '"time"," value"\n"1"," 2 "\n',
        "value,label,ts\n2,0,1\n",
        "1,2\n",
        "\n\ntime,value\n\n1,2\n\n",
    ],
)
def test_header_variants_and_empty_lines(tmp_path: Path, text: str) -> None:
    file = read_series(_write(tmp_path, text))
    assert file.time_us.tolist() == [1_000_000]
    assert file.value.tolist() == [2.0]
    assert file.text.columns == ["time", "value"]


def test_empty_values_are_gaps(tmp_path: Path) -> None:
    file = read_series(_write(tmp_path, "time,value\n1,\n2,NaN\n3,null\n4,inf\n5,-1.5e3\n6\n"))
    np.testing.assert_array_equal(file.value, [np.nan, np.nan, np.nan, np.nan, -1500.0, np.nan])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,value\n1,2\n\n2,x\n", "a.csv:4: not a value: 'x'"),
        ("time,value\n1,2\nnoon,3\n", "a.csv:3: not a time: 'noon'"),
        ("time,value\n,3\n", "a.csv:2: not a time: ''"),
        ("1,2\n2,x\n", "a.csv:2: not a value: 'x'"),
        ("time,level\n1,2\n", "a.csv:1: no column 'value'; the header has: time, level"),
        ("time,value\n1,2,3\n", "a.csv:2: 3 cells, the header has 2"),
        ("time,value,time\n1,2,3\n", "a.csv:1: a column name stands twice"),
        ("", "a.csv is empty"),
        (b"time,value\n1,\xff\n", "a.csv is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_file_and_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(AnomasecError) as error:
        read_series(_write(tmp_path, text))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnomasecError, match="no such file"):
        read_series(tmp_path / "none.csv")


def test_series_are_told_apart_by_entity_and_metric_and_keep_their_order(tmp_path: Path) -> None:
    file = read_series(_write(tmp_path, "time,value,entity,metric\n1,1,a,m\n2,2,b,m\n3,3,a,m\n4,4,a,n\n5,5,,n\n"))
    assert sorted(rows.tolist() for rows in file.series()) == [[0, 2], [1], [3], [4]]
    assert file.column("entity", "x").to_list() == ["a", "b", "a", "a", "x"]


def test_the_own_text_of_the_file_is_written_back(tmp_path: Path) -> None:
    file = read_series(_write(tmp_path, "metric,value,time\nm,1.50,1700000000\n"))
    verdicts = pl.DataFrame({"score": [1 / 3], "expected": [None], "lower": [0.0], "upper": [1.0], "is_anomaly": [False], "reason": [None]})
    write_verdicts(file, verdicts, tmp_path / "new" / "out.csv")
    assert (tmp_path / "new" / "out.csv").read_text() == (
        "time,metric,value,score,expected,lower,upper,is_anomaly,reason\n1700000000,m,1.50,0.3333333333333333,,0.0,1.0,false,\n"
    )
