"""A slice of real traces (Online Boutique), through normalise and assemble."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from schemas.event import RAW
from tests.assemble.literal import T0, Bench, final

RECORDED = Path(__file__).parents[3] / "shared/tuning/rca/online-boutique/traces-2022-08-22.jsonl.gz"
LINES = 400


def test_recorded_traces_become_trees_and_their_repeats_are_not_counted() -> None:
    stage = pytest.importorskip("udfs.normalise.stage")
    if not RECORDED.exists():
        pytest.skip("no recorded traces here")
    with gzip.open(RECORDED) as file:
        lines = list(islice(file, LINES))
    arrival_ms = T0 + np.arange(LINES) * 20
    columns = [lines, ["raw"] * LINES, [0] * LINES, range(LINES), arrival_ms]
    raw = pa.table([pa.array(v, f.type) for v, f in zip(columns, RAW.arrow, strict=True)], schema=RAW.arrow)
    events = stage.normalise(raw).events
    arrived = events.column("arrived_at").cast(pa.int64()).to_numpy()
    bench, out = Bench(), []
    for now_ms in range(T0, T0 + 12_000, 1000):
        part = events.filter(pa.array((arrived <= now_ms) & (arrived > now_ms - 1000)))
        out.append(bench.give(part, now_ms))
        bench.crash()
    out.append(bench.at(900))
    rows = final(*(one.transactions for one in out)).values()
    repeats = sum(pc.sum(one.events.column("is_duplicate")).as_py() or 0 for one in out)
    distinct = pc.count_distinct(pc.binary_join_element_wise(events["trace_id"], events["span_id"], "/")).as_py()

    assert sum(row["span_count"] for row in rows) == distinct == events.num_rows - repeats
    assert len(rows) == pc.count_distinct(events["trace_id"]).as_py()
    whole = [row for row in rows if row["closure_reason"] == "complete"]
    assert len(whole) > 50
    assert {row["root_service"] for row in whole} == {"frontend"}
    assert all("frontend>productcatalogservice" in row["calls"] for row in whole if "productcatalogservice" in row["services"])
