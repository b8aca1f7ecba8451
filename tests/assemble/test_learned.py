"""What is learned: how long to wait, and why something is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.assemble.paged import PagedTable
from tests.assemble.literal import Bench, line, span


def rows_of(bench: Bench, at_s: float, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """Transaction rows of one call."""
    rows: list[dict[str, Any]] = bench.at(at_s, *events).transactions.to_pylist()
    return rows


def two_hops(number: int, at_s: float, late_s: float) -> list[dict[str, Any]]:
    """A request whose second hop logs later."""
    return [line(f"r{number}", at_s), line(f"r{number}", at_s + late_s, service_name="cart", start_ms=at_s * 1000 + 5)]


def test_a_request_with_its_usual_hops_is_closed_at_once_and_one_that_lacks_a_hop_waits_for_it() -> None:
    bench, rows = Bench(), []
    arrivals = sorted((event for number in range(60) for event in two_hops(number, number + 0.5, 4)), key=lambda e: e["arrived_at"])
    for second in range(1, 90):
        now = [e for e in arrivals if -(-e["arrived_at"] // 1000) * 1000 == arrivals[0]["arrived_at"] + 500 + (second - 1) * 1000]
        rows += rows_of(bench, second, *now)
        bench.crash()
    waits = {row["request_id"]: row["waited_ms"] for row in rows if row["revision"] == 1}
    assert waits["r0"] == 14_000  # nothing learned: 10 s of quiet after the second hop
    assert waits["r59"] == 5_000
    last = next(row for row in rows if row["request_id"] == "r59")
    assert (last["closure_reason"], last["event_count"], last["late_count"]) == ("quiet", 2, 0)
    assert last["p_complete"] > 0.9


def test_a_fixed_wait_goes_before_what_was_learned() -> None:
    bench, rows = Bench(assemble_fixed_wait=3_000), []
    for number in range(40):
        rows += rows_of(bench, number + 1, line(f"r{number}", number + 0.5))
    assert {row["waited_ms"] for row in rows} == {3_000}


def call(number: int, at_s: float, callee: bool = True, caller: bool = True) -> list[dict[str, Any]]:
    """Front calls cart; either side's spans may be left out."""
    trace = f"t{number}"
    front = [
        span(trace, "a", at_s=at_s, span_name="GET /"),
        span(trace, "b", "a", at_s=at_s, span_name="call", span_kind="client"),
    ]
    cart = [
        span(trace, "c", "b", at_s=at_s, span_name="add", service_name="cart"),
        span(trace, "d", "c", at_s=at_s, span_name="sql", service_name="cart", span_kind="internal"),
    ]
    return [*(front if caller else []), *(cart if callee else [])]


def told(bench: Bench, number: int, at_s: int, *events: dict[str, Any]) -> tuple[str, str]:
    """Kind and evidence of the transaction of these events, long after."""
    rows = rows_of(bench, at_s, *events) + rows_of(bench, at_s + 12) + rows_of(bench, at_s + 300)
    row = [row for row in rows if row["trace_id"] == f"t{number}"][-1]
    return row["orphan_kind"], row["orphan_evidence"]


def usual(bench: Bench, seconds: int = 40) -> None:
    """Whole calls, one a second."""
    for second in range(1, seconds + 1):
        bench.at(second, *call(second, second - 0.5))


def test_a_server_span_that_did_not_come_is_told_from_a_collector_that_fell_silent() -> None:
    bench = Bench()
    usual(bench)
    heard = call(900, 41, callee=True)
    assert told(bench, 99, 41, *call(99, 40.5, callee=False), *heard)[0] == "no_server_span"
    bench.crash()
    for second in range(342, 380):
        bench.at(second, *call(second, second - 0.5, callee=False))
    kind, why = told(bench, 200, 380, *call(200, 379.5, callee=False))
    assert kind == "lost_collector"
    assert why.startswith("nothing came from cart for")
    assert why.endswith("while front goes on")


def test_spans_without_the_server_span_above_them_and_without_a_root_are_typed() -> None:
    bench = Bench()
    usual(bench)
    headless = [event for event in call(99, 40.5) if event["span_id"] != "c"]
    assert told(bench, 99, 41, *headless)[0] == "no_server_span"
    rootless = [event for event in call(300, 359.5) if event["span_id"] != "a"]
    assert told(bench, 300, 360, *call(301, 359.5), *rootless) == ("no_root", "no span without a parent came")


def test_a_caller_that_never_sends_spans_is_no_loss() -> None:
    bench = Bench()
    for second in range(1, 41):
        bench.at(second, span(f"t{second}", "x", "browser", at_s=second - 0.5, service_name="edge"))
    kind, why = told(bench, 99, 55, span("t99", "x", "browser", at_s=54.5, service_name="edge"))
    assert (kind, why) == ("uninstrumented_caller", "edge names parents that never come: 0 of 40 were seen")


def test_what_comes_after_everything_was_forgotten_is_kept_and_typed() -> None:
    bench = Bench(assemble_late_horizon=30_000)
    bench.at(1, *call(1, 0.5))
    bench.at(60)
    out = bench.at(70, span("t1", "e", "c", at_s=69.5, start_ms=600))
    assert out.events.column("is_late").to_pylist() == [True]
    (row,) = bench.at(90).transactions.to_pylist()
    assert (row["orphan_kind"], row["revision"]) == ("late_beyond_horizon", 0)


def test_a_learned_table_keeps_what_matters_when_it_is_full() -> None:
    dtype = np.dtype([("key", "<u8"), ("count", "<f8")])
    table = PagedTable("x", dtype, 1000, lambda rows: rows["count"])
    blobs: dict[str, bytes] = {}
    for first in range(0, 20_000, 500):
        keys = np.arange(first, first + 500, dtype=np.uint64) * np.uint64(7)
        keys[0] = 3
        at = table.touch(keys)
        table.rows["count"][at[at >= 0]] += 1
        for name, blob in table.changes():
            if blob is None:
                del blobs[name]
            else:
                blobs[name] = blob
    again = PagedTable("x", dtype, 1000, lambda rows: rows["count"])
    again.load(blobs)
    key = np.array([3], np.uint64)
    assert table.take(key)["count"][0] == again.take(key)["count"][0] == 40
    assert len(blobs) <= 4
