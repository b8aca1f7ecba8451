"""Requests whose hops know different ids: a request ID on the edge, a trace ID behind it."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.knobs import Knobs
from jobs.operators.normalise import frames_of
from jobs.operators.stage import Output
from jobs.operators.ticks import TickDriver
from jobs.stages import AssembleStage, TraceStage
from schemas.event import EVENT
from schemas.record import Record
from schemas.transaction import MERGE, TRANSACTION
from tests.assemble.literal import T0, event, line, span, table, transaction_id
from tests.assemble.test_twin import KNOBS, LATENESS, arrivals, written
from udfs.normalise import NormaliseOut

KEY = ("topic", "partition", "offset", "line_index")


class Store:
    """What a store holds after all that was written to it."""

    def __init__(self) -> None:
        self.events: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.transactions: dict[str, dict[str, Any]] = {}

    def write(self, record: Record, rows: pa.Table) -> None:
        for row in rows.to_pylist():
            if record is EVENT:
                self.events[tuple(row[name] for name in KEY)] = row
            elif record is TRANSACTION:
                held = self.transactions.get(row["transaction_id"])
                if held is None or _version(row) >= _version(held):
                    self.transactions[row["transaction_id"]] = row
            elif record is MERGE:
                for held in self.events.values():
                    in_time = row["started_at"] <= held["timestamp"] <= row["ended_at"]
                    if in_time and held["trace_id"] == row["trace_id"] and not held["request_id"]:
                        held["transaction_id"], held["transaction_hash"] = row["merged_into"], row["merged_hash"]

    @property
    def shown(self) -> dict[str, dict[str, Any]]:
        """Transactions as the view shows them."""
        return {name: row for name, row in self.transactions.items() if not row["merged_into"]}


def _version(row: dict[str, Any]) -> tuple[int, int]:
    return row["event_count"] + row["duplicate_count"] + row["moved_count"], row["revision"]


def assembled(rows: list[dict[str, Any]], partitions: int = 2, crash: random.Random | None = None, **knobs: Any) -> Store:
    """All stages up to the store, tick by tick, on some key partitions."""
    store, given_knobs = Store(), Knobs(**{**KNOBS, "assemble_late_horizon": 60_000, **knobs})
    stages = (TraceStage(given_knobs, store.write, partitions), AssembleStage(given_knobs, store.write, partitions))
    drivers = [[TickDriver(stage, 1000, stage.load({})) for _ in range(partitions)] for stage in stages]
    blobs: dict[int, dict[str, bytes]] = {}

    def kept(driver: TickDriver, _tick_ms: int, _names: list[str]) -> None:
        held = blobs.setdefault(id(driver), {})
        for name, blob in driver.state.changes().items():
            if blob is None:
                del held[name]
            else:
                held[name] = blob

    def run(watermark_ms: int) -> None:
        passed: list[tuple[int, Output]] = []
        for number, ranks in enumerate(drivers):
            for driver in ranks:
                passed += driver.advance(watermark_ms, partial(kept, driver))
                if crash and crash.random() < 0.3:
                    driver.state = driver.stage.load(blobs.get(id(driver), {}))
            if number == 0:
                for tick, output in passed:
                    if output.target == "moved":
                        drivers[1][output.partition].add("moved", tick, output.table)

    out = NormaliseOut(**{name: table(rows) if name == "events" else EVENT.empty() for name in NormaliseOut._fields})
    for frame in sorted(frames_of(out, 1000, partitions), key=lambda frame: frame.tick_ms):
        run(frame.tick_ms - 1000 - 1)
        drivers[0 if frame.target in ("traces", "links") else 1][frame.partition].add(frame.target, frame.tick_ms, frame.payload)
    run(T0 + 400_000)
    return store


def both(request: str, trace: str, at_s: float = 0.0, **fields: Any) -> dict[str, Any]:
    """The gateway's line, which knows both ids."""
    return line(request, at_s, trace_id=trace, service_name="gateway", **fields)


def one(store: Store) -> dict[str, Any]:
    """The only transaction; all events name it."""
    (row,) = store.shown.values()
    assert {held["transaction_id"] for held in store.events.values()} == {row["transaction_id"]}
    return row


def test_a_link_that_comes_first_joins_what_follows() -> None:
    row = one(assembled([line("r", 0.1), both("r", "t", 0.2), span("t", "a", at_s=0.3), span("t", "b", "a", at_s=5)]))
    assert (row["transaction_id"], row["request_id"], row["trace_id"]) == (transaction_id("r"), "r", "t")
    assert (row["event_count"], row["span_count"]) == (4, 2)


def test_a_link_that_comes_last_joins_what_was_told_apart() -> None:
    rows = [span("t", "a", at_s=0.3), span("t", "b", "a", at_s=0.4), line("r", 0.5), both("r", "t", 30)]
    store = assembled(rows)
    row = one(store)
    assert (row["event_count"], row["span_count"]) == (4, 2)
    told = store.transactions[transaction_id("t")]
    assert (told["merged_into"], told["closure_reason"], told["revision"]) == (transaction_id("r"), "merged", 2)


def test_what_comes_to_a_joined_trace_late_still_joins() -> None:
    row = one(assembled([span("t", "a", at_s=0.3), both("r", "t", 0.4), span("t", "b", "a", at_s=40)]))
    assert (row["event_count"], row["late_count"], row["revision"]) == (3, 1, 2)


def test_a_trace_of_several_requests_belongs_to_the_first_and_welds_none() -> None:
    rows = [both("r2", "t", 1, start_ms=900), span("t", "a", at_s=2), both("r1", "t", 20, start_ms=100)]
    store = assembled(rows)
    assert {row["request_id"]: row["event_count"] for row in store.shown.values()} == {"r1": 2, "r2": 1}
    spans = [held["transaction_id"] for held in store.events.values() if held["kind"] == "span"]
    assert spans == [transaction_id("r1")]


def test_one_request_with_two_traces_is_one_transaction() -> None:
    rows = [span("t1", "a", at_s=1), both("r", "t1", 2), both("r", "t2", 3, body="again"), span("t2", "c", at_s=4)]
    assert one(assembled(rows))["event_count"] == 4


def test_a_repeat_within_a_joined_trace_is_counted_once() -> None:
    twice = span("t", "a", at_s=1)
    rows = [twice, {**twice, "offset": -7}, both("r", "t", 30), {**twice, "offset": -8, "arrived_at": T0 + 31_000}]
    row = one(assembled(rows))
    assert (row["event_count"], row["duplicate_count"]) == (2, 2)


def test_streams_of_one_kind_of_id_move_nothing() -> None:
    rows = [both("r", "t", 1), both("r", "t", 2, body="x"), line("q", 1), span("s", "a", at_s=1), event(1.0)]
    store = assembled(rows)
    assert sorted(row["event_count"] for row in store.shown.values()) == [1, 1, 1, 2]
    assert all(not row["merged_into"] for row in store.transactions.values())


def of_the_set(store: Store) -> tuple[dict[str, Any], dict[Any, str]]:
    """What must not depend on when events arrive."""
    shown = {name: row for name, row in store.shown.items() if row["request_id"] or row["trace_id"]}
    rows = {name: {k: v for k, v in row.items() if k not in LATENESS} for name, row in shown.items()}
    place = {key: row["transaction_id"] for key, row in store.events.items() if row["request_id"] or row["trace_id"]}
    return rows, place


@settings(max_examples=20)
@given(arrivals, st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_of_arrival_on_any_partitions_gives_the_same_rows(
    drawn: list[tuple[dict[str, Any], int]], mix: random.Random, partitions: int
) -> None:
    for fields, _ in drawn:  # of repeats the first counts, so what was learned about a line must not differ between them
        fields["http_route"] = fields["span_name"]
        fields["error_category"] = "backend" if fields["http_response_status_code"] == 503 else ""
    times = [at_ms for _, at_ms in drawn]
    mix.shuffle(times)
    numbered = [({**fields, "line_index": number}, at_ms) for number, (fields, at_ms) in enumerate(drawn)]
    moved = [(fields, at_ms) for (fields, _), at_ms in zip(numbered, times, strict=True)]
    first, other = written(numbered), written(moved)
    for row in (*first, *other):
        row["offset"] = row["line_index"]
    assert of_the_set(assembled(first)) == of_the_set(assembled(other, partitions, crash=mix))


@settings(max_examples=20)
@given(arrivals)
def test_every_event_that_knows_a_request_is_in_it(drawn: list[tuple[dict[str, Any], int]]) -> None:
    store = assembled(written(drawn))
    owners: dict[str, tuple[Any, int, str]] = {}
    for row in store.events.values():
        if row["request_id"] and row["trace_id"]:
            claim = row["timestamp"], row["transaction_hash"], row["transaction_id"]
            owners[row["trace_id"]] = min(owners.get(row["trace_id"], claim), claim)
    for row in store.events.values():
        if row["request_id"]:
            assert row["transaction_id"] == transaction_id(row["request_id"])
        elif row["trace_id"]:
            wanted = owners[row["trace_id"]][2] if row["trace_id"] in owners else transaction_id(row["trace_id"])
            assert row["transaction_id"] == wanted
    counts = pc.sum(pa.array([row["event_count"] + row["duplicate_count"] for row in store.shown.values()], pa.int64())).as_py() or 0
    assert counts == sum(bool(row["transaction_id"]) for row in store.events.values())
