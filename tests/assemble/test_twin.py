"""Assembly against its plain twin, and the laws that hold for any stream."""

from __future__ import annotations

import random
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.assemble.interner import Interner
from jobs.assemble.rows import slim
from jobs.knobs import Knobs
from tests.assemble.literal import T0, Bench, event, final, table
from tests.assemble.twin import Twin

KNOBS: dict[str, Any] = {
    "assemble_complete_wait": 2_000,
    "assemble_idle_wait": 4_500,
    "assemble_max_wait": 12_000,
    "assemble_late_horizon": 20_000,
}
LATENESS = ("revision", "late_count", "moved_count", "closure_reason", "p_complete", "waited_ms", "first_arrived_at", "closed_at")
"""Columns that may depend on when events arrive; all others follow from the set of events."""

names = st.sampled_from(["", "a", "b", "c", "d", "e"])
fields = st.fixed_dictionaries(
    {
        "request_id": st.sampled_from(["", "", "r1", "r2"]),
        "trace_id": st.sampled_from(["", "t1", "t1", "t2"]),
        "kind": st.sampled_from(["access", "span", "span", "log"]),
        "span_id": names,
        "parent_span_id": names,
        "span_kind": st.sampled_from(["", "server", "client"]),
        "service_name": st.sampled_from(["front", "cart", "pay", ""]),
        "environment": st.sampled_from(["prod", "test"]),
        "http_route": st.sampled_from(["", "/x"]),
        "span_name": st.sampled_from(["", "op"]),
        "http_response_status_code": st.sampled_from([None, 200, 503]),
        "error_category": st.sampled_from(["", "", "backend", "timeout"]),
        "duration_ms": st.sampled_from([None, 1.0, 2.5, 0.0]),
        "body": st.sampled_from(["", "x"]),
        "start_ms": st.integers(0, 5),
    }
)
arrivals = st.lists(st.tuples(fields, st.integers(0, 30_000)), min_size=1, max_size=15)


def written(drawn: list[tuple[dict[str, Any], int]]) -> list[dict[str, Any]]:
    """Events in order of arrival, each at an offset of its own."""
    in_order = sorted(drawn, key=lambda pair: pair[1])
    return [event(at_ms / 1000, **given, offset=offset) for offset, (given, at_ms) in enumerate(in_order)]


def ticks(rows: list[dict[str, Any]], step_ms: int = 1000) -> list[tuple[int, list[dict[str, Any]]]]:
    """Events by the end of the tick they arrive in."""
    return [(now, list(part)) for now, part in groupby(rows, key=lambda row: -(-row["arrived_at"] // step_ms) * step_ms)]


def run(
    rows: list[dict[str, Any]], step_ms: int = 1000, mix: random.Random | None = None, crashes: bool = False, **knobs: int
) -> list[pa.Table]:
    """Transactions given by each call; the last call closes everything."""
    bench, out = Bench(**{**KNOBS, **knobs}), []
    for now_ms, part in ticks(rows, step_ms):
        if mix:
            mix.shuffle(part)
        out.append(bench.give(table(part), now_ms).transactions)
        if crashes:
            bench.crash()
    out.append(bench.give(table([]), T0 + 100_000).transactions)
    return out


def as_dicts(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows with epoch numbers for times."""
    columns = {}
    for field in rows.schema:
        column = rows.column(field.name)
        columns[field.name] = column.cast(pa.int64()) if pa.types.is_timestamp(field.type) else column
    return pa.table(columns).to_pylist()  # type: ignore[no-any-return]


@given(arrivals)
def test_it_agrees_with_the_plain_twin_row_by_row(drawn: list[tuple[dict[str, Any], int]]) -> None:
    rows = written(drawn)
    bench, twin = Bench(**KNOBS), Twin(Knobs(**KNOBS))
    for now_ms, part in [*ticks(rows), (T0 + 100_000, [])]:
        plain = as_dicts(table(part))
        for row in plain:
            row["content"] = int(slim(table([row]), Interner(), 0).rows["content"][0])
        out = bench.give(table(part), now_ms)
        flags, expected = twin.tick(plain, now_ms)
        given_flags = {row["offset"]: (row["is_duplicate"], row["is_late"]) for row in out.events.to_pylist()}
        assert given_flags == flags

        def identity(row: dict[str, Any]) -> tuple[Any, ...]:
            return row["transaction_id"], row["revision"]

        transactions = out.transactions.drop_columns(["p_complete", "orphan_evidence"])
        assert sorted(as_dicts(transactions), key=identity) == sorted(expected, key=identity)


@given(arrivals, st.integers(2, 15), st.randoms(use_true_random=False))
def test_neither_row_order_nor_skipped_ticks_change_the_rows(
    drawn: list[tuple[dict[str, Any], int]], lump: int, mix: random.Random
) -> None:
    rows = written(drawn)
    once_a_tick = as_dicts(pa.concat_tables(run(rows)))
    assert as_dicts(pa.concat_tables(run(rows, mix=mix))) == once_a_tick
    lumped = as_dicts(pa.concat_tables(run(rows, step_ms=1000 * lump)))
    order = ["closed_at", "transaction_id", "revision"]
    assert sorted(lumped, key=lambda r: [r[c] for c in order]) == sorted(once_a_tick, key=lambda r: [r[c] for c in order])


@given(arrivals, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_transactions(drawn: list[tuple[dict[str, Any], int]], mix: random.Random) -> None:
    for given_fields, _ in drawn:  # of repeats the first counts, so what was learned about a line must not differ between them
        given_fields["http_route"] = given_fields["span_name"]
        given_fields["error_category"] = "backend" if given_fields["http_response_status_code"] == 503 else ""
    times = [at_ms for _, at_ms in drawn]
    mix.shuffle(times)
    one = final(*run(written(drawn), assemble_late_horizon=60_000))
    other = final(*run(written([(given, at_ms) for (given, _), at_ms in zip(drawn, times, strict=True)]), assemble_late_horizon=60_000))
    alone = {i for i, r in {**one, **other}.items() if not r["request_id"] and not r["trace_id"]}  # named by their offset

    def of_the_set(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {i: {k: v for k, v in row.items() if k not in LATENESS} for i, row in rows.items() if i not in alone}

    assert of_the_set(one) == of_the_set(other)
    assert len(one) == len(other)


@given(arrivals)
def test_a_crash_after_any_tick_changes_nothing(drawn: list[tuple[dict[str, Any], int]]) -> None:
    rows = written(drawn)
    assert [as_dicts(t) for t in run(rows, crashes=True)] == [as_dicts(t) for t in run(rows)]


@given(arrivals)
def test_every_event_comes_out_once_and_nothing_but_its_flags_changes(drawn: list[tuple[dict[str, Any], int]]) -> None:
    rows = written(drawn)
    bench = Bench(**KNOBS)
    flags = ["is_duplicate", "is_late"]
    for now_ms, part in ticks(rows):
        given_table = table(part)
        out = bench.give(given_table, now_ms)
        assert out.events.drop_columns(flags).equals(given_table.drop_columns(flags))
        assert np.count_nonzero(given_table.column("is_late").to_numpy()) == 0  # the input is not changed
