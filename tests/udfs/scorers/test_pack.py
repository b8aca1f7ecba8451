from __future__ import annotations

import pandas as pd
import pytest

from schemas.framing import from_payload
from schemas.point import SCORE
from udfs.scorers.pack import PACK_COLUMNS, pack_scores
from udfs.scorers.reason import describe_score


def _columns(n: int) -> list[pd.Series]:
    whole = {"time_us": 1_700_000_000_000_000, "width_s": 60, "revision": 1, "emitted_ms": 1_700_000_000_001}
    words = {"environment", "entity_kind", "entity", "metric", "reason"}
    rows = {name: "x" if name in words else whole.get(name, 1.5) for name in PACK_COLUMNS} | {"is_anomaly": True}
    return [pd.Series([rows[name]] * n) for name in PACK_COLUMNS]


@pytest.mark.parametrize("n", [1, 2, 1_000])
def test_all_rows_are_in_the_first_cell_and_there_are_as_many_cells_as_rows(n: int) -> None:
    cells = pack_scores(*_columns(n))
    assert len(cells) == n
    assert cells.iloc[1:].isna().all()
    table = from_payload(cells.iloc[0])
    assert table.schema == SCORE.arrow
    assert table.num_rows == n
    assert table["time"][0].as_py().isoformat() == "2023-11-14T22:13:20+00:00"
    assert table["emitted_at"][0].as_py().microsecond == 1_000


def test_an_empty_batch_has_no_payload() -> None:
    assert len(pack_scores(*(c.iloc[:0] for c in _columns(1)))) == 0


def test_nulls_stay_nulls() -> None:
    columns = _columns(2)
    columns[PACK_COLUMNS.index("score")] = pd.Series([float("nan"), 3.0])
    assert from_payload(pack_scores(*columns).iloc[0])["score"].to_pylist() == [None, 3.0]


def test_only_anomalies_have_a_reason() -> None:
    s = pd.Series
    reasons = describe_score(s([True, False, None]), s(["m"] * 3), s([2.0] * 3), s([1.0] * 3), s([0.5] * 3), s([1.5] * 3))
    assert reasons.tolist() == ["m 2 is 2x expected 1 (0.5..1.5)", "", ""]
