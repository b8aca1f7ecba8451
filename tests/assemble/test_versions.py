"""State written by earlier versions: a snapshot of each stays here and is read for ever."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from jobs.assemble.state import AssembleState
from tests.assemble.literal import Bench, final, line, span

SNAPSHOTS = sorted((Path(__file__).parent / "snapshots").glob("*.zip"))
"""Each was written after these calls: at 1 s lines of r1 by front and cart (503), spans a and b of t1; at 2 s a line of r2, an orphan
of t2, a root of t3; at 3 s its child."""


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.stem)
def test_a_state_of_any_version_goes_on_where_it_stopped(path: Path) -> None:
    with ZipFile(path) as archive:
        blobs = {name: archive.read(name) for name in archive.namelist()}
    bench = Bench()
    bench.blobs = dict(blobs)
    bench.state = AssembleState.load(blobs, bench.knobs)
    tables = [bench.at(4, line("r1", 3.5, service_name="pay")).transactions]
    bench.crash()
    tables += [bench.at(5, span("t1", "c", "a", at_s=4.5)).transactions, bench.at(60).transactions]
    rows = {(row["request_id"] or row["trace_id"]): row for row in final(*tables).values()}
    told = {name: (row["event_count"], row["revision"], row["closure_reason"], row["services"]) for name, row in rows.items()}
    assert told == {
        "r1": (3, 1, "timed_out", ["front", "cart", "pay"]),
        "r2": (1, 1, "timed_out", ["front"]),
        "t1": (3, 2, "complete", ["front", "cart"]),
        "t2": (1, 1, "timed_out", ["front"]),
        "t3": (2, 1, "complete", ["front", "pay"]),
    }
    bench.at(60 + 700)
    assert {name for name in bench.blobs if "/learned/" not in name} == {"v2/clock"}
