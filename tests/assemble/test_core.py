"""When transactions close, what late events do, and what a row says: literal cases."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from jobs.assemble.core import AssembleOut
from schemas.event import EVENT
from schemas.transaction import TRANSACTION
from tests.assemble.literal import T0, Bench, event, final, line, span, table, transaction_id

FOREVER_S = 400.0


def only(out: AssembleOut) -> dict[str, Any]:
    """The one transaction of a call."""
    rows = out.transactions.to_pylist()
    assert len(rows) == 1
    return dict(rows[0])


def assembled(*events: dict[str, Any]) -> dict[str, Any]:
    """The final row of the one transaction of these events."""
    bench = Bench()
    rows = final(bench.at(1, *events).transactions, bench.at(FOREVER_S).transactions)
    assert len(rows) == 1
    return next(iter(rows.values()))


def seconds(moment: Any) -> float:
    """Seconds after T0."""
    return float(moment.timestamp() - T0 / 1000)


# -- closing


def test_nothing_in_gives_nothing_out() -> None:
    out = Bench().at(1)
    assert out.events.equals(EVENT.empty())
    assert out.transactions.equals(TRANSACTION.empty())


def test_a_whole_tree_closes_as_complete_after_the_complete_wait() -> None:
    bench = Bench()
    first = bench.at(1, span("t", "a", at_s=0.2), span("t", "b", "a", at_s=0.3))
    assert first.transactions.num_rows == 0
    assert bench.state.next_deadline_ms() == T0 + 2000
    row = only(bench.at(2))
    assert (row["closure_reason"], row["orphan_kind"], row["root_span_id"]) == ("complete", "", "a")
    assert (seconds(row["first_arrived_at"]), seconds(row["closed_at"])) == (1.0, 2.0)


def test_a_tree_with_a_missing_parent_waits_for_the_idle_wait_and_times_out() -> None:
    bench = Bench()
    bench.at(1, span("t", "a", at_s=1), span("t", "c", "b", at_s=1))
    assert bench.at(10.999).transactions.num_rows == 0
    row = only(bench.at(11))
    assert (row["closure_reason"], row["orphan_kind"], row["orphan_count"]) == ("timed_out", "missing_parent", 1)


def test_the_missing_parent_that_comes_shortens_the_wait() -> None:
    bench = Bench()
    bench.at(1, span("t", "a", at_s=1), span("t", "c", "b", at_s=1))
    bench.at(3, span("t", "b", "a", at_s=2.5))
    row = only(bench.at(4))
    assert (row["closure_reason"], row["span_count"], seconds(row["closed_at"])) == ("complete", 3, 4.0)


def test_access_lines_without_span_ids_time_out_after_the_idle_wait() -> None:
    bench = Bench()
    bench.at(1, line("r", 0.5))
    bench.at(5, line("r", 4.5, service_name="cart"))
    row = only(bench.at(15))
    assert (row["closure_reason"], seconds(row["closed_at"]), row["event_count"]) == ("timed_out", 15.0, 2)


def test_an_event_at_the_tick_the_transaction_is_due_belongs_to_it() -> None:
    bench = Bench()
    bench.at(1, line("r", 1))
    assert bench.at(11, line("r", 10.5, service_name="cart")).transactions.num_rows == 0
    assert only(bench.at(21))["late_count"] == 0


def test_an_event_one_tick_after_the_due_time_is_late_even_if_no_call_was_made_between() -> None:
    bench = Bench()
    bench.at(1, line("r", 1))
    out = bench.at(12, line("r", 11.5, service_name="cart"))
    assert [row["revision"] for row in out.transactions.to_pylist()] == [1, 2]
    assert out.events.column("is_late").to_pylist() == [True]
    assert seconds(out.transactions.to_pylist()[1]["closed_at"]) == 11.0


def test_a_transaction_that_never_rests_closes_after_the_longest_wait() -> None:
    bench = Bench(assemble_max_wait=20_000)
    rows = [row for at in range(1, 30) for row in bench.at(at, line("r", at, body=str(at))).transactions.to_pylist()]
    assert seconds(rows[0]["closed_at"]) == 21.0
    assert rows[0]["event_count"] == 21
    assert [row["revision"] for row in rows] == list(range(1, 10))


def test_a_repeat_does_not_prolong_the_wait() -> None:
    bench = Bench()
    once = line("r", 1)
    bench.at(1, once)
    bench.at(9, {**once, "arrived_at": T0 + 9000, "offset": -1})
    row = only(bench.at(11))
    assert (row["event_count"], row["duplicate_count"]) == (1, 1)


def test_a_line_without_ids_is_a_complete_transaction_at_once_and_is_not_remembered() -> None:
    bench = Bench()
    row = only(bench.at(1, event(0.5)))
    assert (row["closure_reason"], row["event_count"], seconds(row["closed_at"])) == ("complete", 1, 1.0)
    assert (row["request_id"], row["root_route"], row["services"]) == ("", "/users/{id}", ["front"])
    assert bench.state.rows_held == bench.state.transactions_held == 0
    assert bench.state.next_deadline_ms() is None


def test_lines_without_ids_are_one_transaction_each() -> None:
    out = Bench().at(1, event(0.5), event(0.5), line("r", 0.5))
    assert out.transactions.num_rows == 2
    assert len(set(out.transactions.column("transaction_id").to_pylist())) == 2


def test_a_log_record_without_transaction_passes_through_untouched() -> None:
    given = table([event(0.5, kind="log", body="started"), line("r", 0.5)])
    bench = Bench()
    out = bench.give(given, T0 + 1000)
    assert out.events.equals(given)
    assert bench.state.transactions_held == 1


def test_an_event_that_arrived_before_the_last_call_counts_as_arriving_now() -> None:
    bench = Bench()
    bench.at(5)
    bench.at(8, line("r", 2))
    assert seconds(only(bench.at(18))["first_arrived_at"]) == 8.0


def test_a_batch_of_several_ticks_is_taken_tick_by_tick() -> None:
    bench = Bench()
    out = bench.at(60, line("r", 1), line("s", 30), line("r", 20, service_name="cart"))
    rows = [(row["request_id"], row["revision"], seconds(row["closed_at"])) for row in out.transactions.to_pylist()]
    assert rows == [("r", 1, 11.0), ("r", 2, 11.0), ("s", 1, 40.0)]


# -- late events and repeats


def test_a_late_event_amends_under_a_higher_revision_and_keeps_how_it_was_closed() -> None:
    bench = Bench()
    bench.at(1, span("t", "a", at_s=1))
    first = only(bench.at(2))
    out = bench.at(30, span("t", "b", "a", at_s=30, service_name="cart"), span("t", "x", "y", at_s=30))
    late = only(out)
    assert (first["revision"], late["revision"], late["late_count"]) == (1, 3, 2)
    assert (late["closure_reason"], late["closed_at"]) == ("complete", first["closed_at"])
    assert (late["span_count"], late["orphan_kind"], late["calls"]) == (3, "missing_parent", ["front>cart"])
    assert out.events.column("is_late").to_pylist() == [True, True]


def test_a_late_repeat_raises_the_revision_because_its_count_changes() -> None:
    bench = Bench()
    once = line("r", 1)
    bench.at(1, once)
    bench.at(11)
    out = bench.at(20, {**once, "arrived_at": T0 + 20_000, "offset": -1})
    row = only(out)
    assert (row["revision"], row["event_count"], row["duplicate_count"], row["late_count"]) == (2, 1, 1, 1)
    assert out.events.select(["is_duplicate", "is_late"]).to_pylist() == [{"is_duplicate": True, "is_late": True}]


def test_within_the_horizon_an_event_amends_and_after_it_its_id_begins_anew() -> None:
    bench = Bench(assemble_late_horizon=60_000)
    bench.at(1, line("r", 1))
    bench.at(11)
    assert only(bench.at(71, line("r", 71, body="x")))["event_count"] == 2
    bench.at(72, line("r", 72, body="y"))
    row = only(bench.at(82))
    assert (row["event_count"], row["revision"]) == (1, 1)


def test_a_straggler_from_before_all_memory_never_replaces_a_fuller_row() -> None:
    bench = Bench(assemble_late_horizon=60_000, assemble_max_wait=30_000)
    full = [bench.at(1, line("r", 1), line("r", 1, service_name="cart")), bench.at(11)]
    out = bench.at(500, line("r", 500, start_ms=1500.0, service_name="pay"))
    assert out.events.column("is_late").to_pylist() == [True]
    straggler = only(bench.at(510))
    assert (straggler["revision"], straggler["event_count"]) == (0, 1)
    assert final(*(o.transactions for o in full), bench.at(511).transactions)[transaction_id("r")]["event_count"] == 2


def test_old_logs_loaded_later_are_assembled_all_the_same() -> None:
    bench = Bench()
    day_ms = -86_400_000.0
    bench.at(1, line("r", 1, start_ms=day_ms), line("r", 1, start_ms=day_ms + 5, service_name="cart"))
    row = only(bench.at(11))
    assert (row["event_count"], row["revision"], row["late_count"], row["services"]) == (2, 0, 0, ["front", "cart"])


def test_of_equal_events_the_first_to_arrive_is_the_event() -> None:
    once = line("r", 0.9, topic="raw", offset=5)
    later = [{**once, "offset": 7}, {**once, "topic": "sidecar"}, {**once, "line_index": 1}, {**once, "partition": 1, "offset": 0}]
    earlier = {**once, "arrived_at": T0 + 100, "topic": "z", "offset": 99}
    out = Bench().at(1, *later, once, earlier)
    assert out.events.column("is_duplicate").to_pylist() == [True, True, True, True, True, False]
    out = Bench().at(1, *later, once)
    assert out.events.column("is_duplicate").to_pylist() == [True, True, True, True, False]


def test_what_was_learned_about_the_first_of_equal_events_counts() -> None:
    once = line("r", 1, offset=5)
    row = assembled({**once, "offset": 7, "http_route": "/a", "error_category": "backend"}, {**once, "http_route": "/b"})
    assert (row["root_route"], row["error_count"]) == ("/b", 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url_path", "/users/18"),
        ("url_query", "page=2"),
        ("http_response_status_code", 500),
        ("duration_ms", 10.5),
        ("duration_ms", None),
        ("service_name", "cart"),
        ("http_request_method", "POST"),
        ("client_address", "10.0.0.7"),
        ("user_agent_original", "curl"),
        ("body", "hello"),
        ("k8s_pod_name", "front-2"),
        ("kind", "span"),
        ("trace_id", "t"),
        ("timestamp", T0 * 1000 + 1),
    ],
)
def test_lines_that_differ_in_one_logged_thing_are_two_events(name: str, value: Any) -> None:
    once = line("r", 1)
    assert assembled(once, {**once, "offset": -1, name: value})["event_count"] == 2


@pytest.mark.parametrize("name", ["http_route", "error_category", "format"])
def test_what_was_only_learned_about_a_line_does_not_make_it_another_event(name: str) -> None:
    once = line("r", 1)
    assert assembled(once, {**once, "offset": -1, name: "backend"})["duplicate_count"] == 1


def test_client_and_server_half_may_share_a_span_id() -> None:
    row = assembled(
        span("t", "a", service_name="front", duration_ms=20.0),
        span("t", "b", "a", start_ms=2, service_name="front", span_kind="client", duration_ms=9.0),
        span("t", "b", "a", start_ms=3, service_name="cart", span_kind="server", duration_ms=7.0),
        span("t", "c", "b", start_ms=4, service_name="cart", span_kind="internal", duration_ms=1.0),
    )
    assert (row["event_count"], row["duplicate_count"], row["orphan_kind"]) == (4, 0, "")
    assert (row["closure_reason"], row["calls"]) == ("complete", ["front>cart"])


# -- what the row says


def test_the_root_speaks_for_the_transaction() -> None:
    row = assembled(
        span("t", "b", "a", start_ms=0, service_name="cart", error_category="backend", http_response_status_code=503, environment="x"),
        span("t", "a", "", start_ms=1, service_name="front", http_route="/buy", http_response_status_code=200, duration_ms=42.0),
    )
    assert (row["root_service"], row["root_route"], row["environment"], row["root_span_id"]) == ("front", "/buy", "prod", "a")
    assert (row["http_response_status_code"], row["error_category"], row["is_error"], row["error_count"]) == (200, "", False, 1)
    assert (row["duration_ms"], row["services"], row["calls"]) == (42.0, ["cart", "front"], ["front>cart"])


def test_without_a_root_the_earliest_line_speaks_and_any_error_counts() -> None:
    row = assembled(
        line("r", 1, start_ms=5, service_name="cart", http_route="/cart", http_response_status_code=503, error_category="backend"),
        line("r", 1, start_ms=0, service_name="front", http_route="/buy", duration_ms=30.0),
        event(
            1,
            kind="log",
            start_ms=-5,
            request_id="r",
            service_name="audit",
            http_route="",
            http_response_status_code=None,
            duration_ms=None,
        ),
    )
    assert (row["root_service"], row["root_route"], row["root_span_id"]) == ("front", "/buy", "")
    assert (row["http_response_status_code"], row["error_category"], row["is_error"]) == (200, "backend", True)
    assert (row["services"], row["duration_ms"]) == (["audit", "front", "cart"], 35.0)
    assert (row["orphan_kind"], row["calls"]) == ("", [])


def test_of_lines_of_the_same_second_the_longer_one_is_the_outer_hop() -> None:
    row = assembled(
        line("r", 1, start_ms=0, service_name="cart", duration_ms=3.0), line("r", 1, start_ms=0, service_name="front", duration_ms=8.0)
    )
    assert (row["root_service"], row["services"]) == ("front", ["front", "cart"])


def test_several_roots_are_told_and_the_earliest_then_smallest_is_taken() -> None:
    row = assembled(span("t", "z", start_ms=0), span("t", "b", start_ms=1), span("t", "a", start_ms=1))
    assert (row["orphan_kind"], row["root_span_id"], row["orphan_count"]) == ("many_roots", "z", 0)
    row = assembled(span("t", "c" * 20, start_ms=1), span("t", "c" * 19 + "b", start_ms=1), span("t", "d", start_ms=1))
    assert row["root_span_id"] == "c" * 19 + "b"


def test_a_tree_whose_root_never_came_has_no_root() -> None:
    row = assembled(span("t", "b", "a", service_name="cart"), span("t", "c", "b"))
    assert (row["orphan_kind"], row["orphan_count"], row["root_span_id"], row["root_service"]) == ("no_root", 1, "", "cart")


def test_an_access_line_with_span_ids_is_a_node_and_a_log_record_is_not() -> None:
    row = assembled(
        line("r", 1, trace_id="t", span_id="a", start_ms=0),
        line("r", 1, trace_id="t", span_id="b", parent_span_id="a", service_name="cart", start_ms=1),
        event(1, kind="log", request_id="r", trace_id="t", span_id="q", service_name="cart", body="hm"),
    )
    assert (row["root_span_id"], row["orphan_kind"], row["span_count"], row["event_count"]) == ("a", "", 0, 3)
    assert row["calls"] == ["front>cart"]


def test_an_access_line_that_does_not_log_the_parent_of_its_span_is_no_second_root() -> None:
    row = assembled(
        span("t", "a", start_ms=0),
        span("t", "b", "a", start_ms=1, service_name="cart"),
        line("", 1, trace_id="t", span_id="b", start_ms=1, service_name="cart"),
    )
    assert (row["orphan_kind"], row["root_span_id"], row["closure_reason"]) == ("", "a", "complete")


def test_a_span_that_is_its_own_parent_is_neither_root_nor_orphan() -> None:
    row = assembled(span("t", "a", "a"))
    assert (row["orphan_kind"], row["orphan_count"]) == ("no_root", 0)


def test_ids_are_those_of_the_root_if_it_has_them() -> None:
    row = assembled(
        line("r", 1, start_ms=0, trace_id="other"),
        span("t", "a", start_ms=5, request_id="r"),
        line("r", 1, start_ms=6),
    )
    assert (row["request_id"], row["trace_id"], row["transaction_id"]) == ("r", "t", transaction_id("r"))


def test_null_strings_are_as_good_as_empty_ones() -> None:
    given = table([line("r", 1)])
    nulls = given
    for name in ("trace_id", "span_id", "parent_span_id", "body", "http_route", "span_name", "error_category", "url_query"):
        nulls = nulls.set_column(nulls.schema.get_field_index(name), name, pa.nulls(1, pa.string()))
    rows = []
    for one in (nulls, given.set_column(given.schema.get_field_index("http_route"), "http_route", pa.array([""]))):
        bench = Bench()
        bench.give(one, T0 + 1000)
        rows.append(only(bench.at(FOREVER_S)))
    assert rows[0] == rows[1]
    assert rows[0]["error_category"] == ""


def test_transactions_have_the_declared_schema() -> None:
    bench = Bench()
    bench.at(1, line("r", 1))
    assert bench.at(11).transactions.schema.equals(TRANSACTION.arrow)
