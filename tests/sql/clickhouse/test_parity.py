"""Twins in two environments: how much they differ and how sure that is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.migrate import migrate
from jobs.stack.store.embedded import open_store
from tests.score.points import make_points

_N = 40


@pytest.mark.e2e
def test_a_slower_twin_stands_out_and_an_equal_one_does_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)

    def rows(environment: str, entity: str, level: float) -> pa.Table:
        words = {"environment": environment, "entity_kind": "route", "entity": entity, "metric": "latency_ms_p50", "width_s": 60}
        return make_points(_N, value=level + rng.normal(0, 2, _N), **words)

    plan = [("aws", "a GET /x", 100.0), ("gcp", "a GET /x", 130.0), ("aws", "a GET /y", 100.0), ("gcp", "a GET /y", 100.0)]
    with open_store(tmp_path, "anomasec") as client:
        migrate(client, "anomasec")
        client.database = "anomasec"
        client.insert_arrow("points_data", pa.concat_tables([rows(*each) for each in plan]))
        found = client.query(
            "SELECT entity, environment, other_environment, difference, confidence FROM parity ORDER BY entity"
        ).result_rows
    slower = [row for row in found if row[0] == "a GET /x"]
    equal = [row for row in found if row[0] == "a GET /y"]
    assert slower
    assert {row[1:3] for row in slower} == {("aws", "gcp")}
    assert all(row[3] == pytest.approx(0.3, abs=0.03) and row[4] > 0.999 for row in slower)
    assert equal
    assert all(abs(row[3]) < 0.03 and row[4] < 0.999 for row in equal)
