"""What is remembered, for how long, and what survives a crash."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jobs.assemble
from jobs.assemble.core import on_batch
from jobs.assemble.paged import PREFIX
from jobs.assemble.state import AssembleState
from jobs.knobs import Knobs
from schemas.errors import StoreError
from tests.assemble.literal import T0, Bench, line, table
from udfs.hashing import hash_strings, hex_ids


def many(requests: pa.Array, at_s: float, bodies: pa.Array | None = None) -> pa.Table:
    """One access line per request id, made without a loop over rows."""
    n = len(requests)
    high, low = hash_strings(requests), hash_strings(requests, 1)
    one = table([line("r", at_s, start_ms=0)])
    given = one.take(pa.array(np.zeros(n, np.int64)))
    columns = {"request_id": requests, "transaction_id": hex_ids(high, low), "transaction_hash": pa.array(low)}
    columns["offset"] = pa.array(np.arange(n))
    if bodies is not None:
        columns["body"] = bodies
    for name, values in columns.items():
        given = given.set_column(given.schema.get_field_index(name), given.schema.field(name), values)
    return given


def numbers(count: int, prefix: str = "r") -> pa.Array:
    """Strings that differ."""
    return pa.array([f"{prefix}{number}" for number in range(count)])


def kept(blobs: dict[str, bytes]) -> set[str]:
    """Names of the blobs, without what was learned."""
    return {name for name in blobs if not name.startswith(PREFIX)}


def test_one_event_repeated_100_000_times_is_one_row() -> None:
    bench = Bench()
    for tick in range(1, 5):
        out = bench.give(many(pa.array(["r"] * 25_000), tick), T0 + tick * 1000)
    assert np.count_nonzero(out.events.column("is_duplicate").to_numpy()) == 25_000
    assert (bench.state.rows_held, bench.state.transactions_held) == (1, 1)
    row = bench.at(20).transactions.to_pylist()[0]
    assert (row["event_count"], row["duplicate_count"]) == (1, 99_999)


def test_ids_of_100_kb_are_told_apart_and_cost_no_more_than_others() -> None:
    bench = Bench()
    ids = [f"{'x' * 100_000}{number}" for number in range(20)]
    bench.at(1, *(line(one, 0.5) for one in ids), *(line(one, 0.6, service_name="cart") for one in ids))
    assert sum(map(len, bench.blobs.values())) < 20_000
    rows = bench.at(60).transactions.to_pylist()
    assert [row["event_count"] for row in rows] == [2] * 20
    assert {row["request_id"] for row in rows} == {"x" * 256}


def test_clocks_a_year_off_neither_keep_nor_lose_anything() -> None:
    bench, year_ms = Bench(), 365 * 86_400_000
    rows = bench.at(
        1, line("r", 0.5), line("r", 0.6, start_ms=-year_ms, service_name="cart"), line("s", 0.5, start_ms=year_ms)
    ).transactions
    rows = pa.concat_tables([rows, bench.at(60).transactions])
    assert {row["request_id"]: (row["event_count"], row["revision"]) for row in rows.to_pylist()} == {"r": (2, 1), "s": (1, 1)}
    bench.at(60 + 620)
    assert (bench.state.rows_held, bench.state.transactions_held) == (0, 0)


def test_one_id_with_too_many_events_is_evicted_and_grows_no_more() -> None:
    bench = Bench(assemble_max_events=10_000)
    rows = []
    for tick in range(1, 9):
        out = bench.give(many(pa.array(["r"] * 4_000), tick, numbers(4_000, f"{tick}-")), T0 + tick * 1000)
        rows += out.transactions.to_pylist()
        if tick == 5:
            bench.crash()
    assert [(row["closure_reason"], row["event_count"], row["revision"]) for row in rows] == [("evicted", 12_000, 1)]
    assert bench.state.rows_held == 12_000
    assert set(out.events.column("is_late").to_pylist()) == {True}
    assert bench.at(60).transactions.num_rows == 0


def test_200_000_ids_with_one_event_stay_within_the_rows_allowed() -> None:
    bench = Bench(assemble_max_rows=50_000)
    rows = []
    for tick in range(1, 11):
        out = bench.give(many(numbers(20_000, f"{tick}-"), tick), T0 + tick * 1000)
        rows.append(out.transactions)
        assert bench.state.rows_held <= 50_000
    rows.append(bench.at(100).transactions)
    reasons = pa.concat_tables(rows).column("closure_reason").value_counts().to_pylist()
    assert {r["values"]: r["counts"] for r in reasons} == {"evicted": 160_000, "timed_out": 40_000}
    assert pc.count_distinct(pa.concat_tables(rows).column("transaction_id")).as_py() == 200_000
    assert bench.at(100 + 601).transactions.num_rows == 0
    assert kept(bench.blobs) == {"v2/clock"}


def test_evicting_for_room_is_the_same_after_a_crash() -> None:
    outs: list[list[dict[str, Any]]] = []
    for crash in (False, True):
        bench, rows = Bench(assemble_max_rows=250), []
        for tick in range(1, 13):
            given = many(numbers(100, f"{tick // 2}-"), tick, pa.array([str(tick)] * 100))
            rows += bench.give(given, T0 + tick * 1000).transactions.to_pylist()
            if crash:
                bench.crash()
        outs.append(rows + bench.at(200).transactions.to_pylist())
    assert outs[0] == outs[1]
    assert {row["closure_reason"] for row in outs[0]} == {"evicted", "quiet"}


def test_a_tick_writes_one_segment_and_the_clock_and_no_segment_twice() -> None:
    bench, written = Bench(), []
    for tick in range(1, 30):
        before = dict(bench.blobs)
        bench.give(many(numbers(10, f"{tick % 3}-"), tick, pa.array([str(tick)] * 10)), T0 + tick * 1000)
        changed = {name for name in kept(bench.blobs) if before.get(name) != bench.blobs[name]}
        written += sorted(changed - {"v2/clock"})
        assert len(changed) == 2
    assert len(set(written)) == len(written) == 29


def test_segments_are_deleted_once_everything_in_them_is_forgotten() -> None:
    bench = Bench(assemble_late_horizon=30_000)
    bench.at(1, line("r", 1))
    bench.at(5, line("s", 5), line("r", 5, body="x"))
    assert len(kept(bench.blobs)) == 3
    bench.at(15)
    bench.at(45)  # closed at 15, so the horizon ends now
    assert len(kept(bench.blobs)) == 3
    assert bench.state.next_deadline_ms() == T0 + 45_001
    bench.at(45.001)
    assert kept(bench.blobs) == {"v2/clock"}
    assert (bench.state.rows_held, bench.state.transactions_held, bench.state.next_deadline_ms()) == (0, 0, None)


def test_an_idle_call_writes_only_the_clock() -> None:
    bench = Bench()
    bench.at(1, line("r", 1))
    bench.state.changes()
    assert bench.state.changes() == {}
    bench.at(2)
    bench.state.now_ms += 1
    assert bench.state.changes().keys() == {"v2/clock"}


def test_a_segment_dropped_before_it_was_handed_out_leaves_no_trace() -> None:
    state = AssembleState.load({}, Knobs(assemble_max_rows=50))
    on_batch(state, many(numbers(100), 1), T0 + 1000)
    assert not [name for name in state.changes() if "tick" in name]


def test_strings_of_dropped_segments_are_forgotten() -> None:
    bench = Bench(assemble_late_horizon=5_000, assemble_idle_wait=1_000)
    for tick in range(1, 40):
        given = many(numbers(2_000, f"{tick}-"), tick)
        routes = given.schema.get_field_index("http_route")
        given = given.set_column(routes, given.schema.field(routes), numbers(2_000, f"/{tick}/"))
        out = bench.give(given, T0 + tick * 1000)
        assert all(row.startswith(f"/{tick - 1}/") for row in out.transactions.column("root_route").to_pylist())
    assert len(bench.state.strings) < 60_000


def test_a_damaged_segment_is_told_in_one_line() -> None:
    bench = Bench()
    bench.at(1, line("r", 1))
    name = next(name for name in bench.blobs if name != "v2/clock")
    for damage in (b"", b"\0" * 30, bench.blobs[name][:40]):
        with pytest.raises(StoreError, match="restore an older checkpoint"):
            AssembleState.load({**bench.blobs, name: damage}, Knobs())


def test_no_hot_module_goes_through_rows_in_python() -> None:
    """Loops that are allowed say over what they go: ticks, segments, touches, distinct strings, words or columns."""
    folder = Path(jobs.assemble.__path__[0])
    for path in folder.glob("*.py"):
        source = path.read_text()
        called = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
        assert not called & {"iterrows", "itertuples", "apply", "to_pandas", "to_batches"}, path
        assert "pyflink" not in source, path
        if path.name not in ("interner.py", "group.py", "witness.py"):  # distinct strings; names of tied roots
            assert "to_pylist" not in called, path
