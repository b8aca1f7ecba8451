"""Inside one transaction: order, clocks, own time, critical path, retries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.report.inside import Step, look_inside


def step(service: str, start: float, duration: float, span_id: str = "", parent: str = "", **fields: Any) -> Step:
    same: dict[str, Any] = {"span_kind": "server" if span_id else "", "host": "", "name": "GET /", "is_error": False}
    return Step(
        **{
            **same,
            "span_id": span_id,
            "parent_span_id": parent,
            "service": service,
            "start_ms": start,
            "duration_ms": duration,
            **fields,
        }
    )


def test_access_lines_of_several_hops_are_ordered_by_containment_and_marked_as_inferred() -> None:
    places = look_inside([step("cart", 10, 20), step("edge", 0, 100), step("front", 5, 90), step("pay", 40, 50), step("db", 12, 5)])
    assert [place.parent for place in places] == [2, -1, 1, 2, 0]
    assert [place.is_inferred for place in places] == [True, False, True, True, True]
    assert [place.depth for place in places] == [2, 0, 1, 2, 3]


def test_an_orphan_hangs_below_the_client_span_that_asked_for_its_service() -> None:
    places = look_inside(
        [
            step("front", 0, 100, "a"),
            step("front", 10, 50, "b", "a", span_kind="client", server_address="cart.shop.svc:8080"),
            step("front", 10, 45, "c", "a", span_kind="client", server_address="pay"),
            step("cart", 12, 30, "d", "lost"),
        ]
    )
    assert (places[3].parent, places[3].is_inferred) == (1, True)
    assert not places[1].is_inferred


def test_a_root_span_is_put_below_the_line_of_a_gateway_that_writes_no_spans() -> None:
    places = look_inside([step("front", 5, 80, "a"), step("gateway", 0, 100), step("front", 6, 78)])
    assert [place.parent for place in places] == [1, -1, 0]


@pytest.mark.parametrize("skew", [-500.0, 0.0, 300.0])
def test_the_clock_of_another_host_is_corrected_by_the_pairs(skew: float) -> None:
    steps = [step("front", 0, 100, "a", host="h1")]
    for n, at in enumerate((10, 40)):
        steps.append(step("front", at, 20, f"c{n}", "a", span_kind="client", host="h1"))
        steps.append(step("cart", at + 5 + skew, 10, f"s{n}", f"c{n}", host="h2"))
    places = look_inside(steps)
    assert [place.shift_ms for place in places] == [0, 0, -skew, 0, -skew]
    assert places[1].other_half == 2
    assert places[2].other_half == 1
    assert places[1].self_ms == 10


def test_halves_that_share_a_span_id_are_one_call() -> None:
    places = look_inside([step("front", 0, 50, "a"), step("front", 1, 40, "b", "a", span_kind="client"), step("cart", 2, 30, "b", "a")])
    assert [place.parent for place in places] == [-1, 0, 1]
    assert [place.is_inferred for place in places] == [False] * 3


def test_own_time_leaves_out_what_children_did_at_the_same_time_only_once() -> None:
    places = look_inside([step("front", 0, 100, "a"), step("x", 10, 40, "b", "a"), step("y", 30, 40, "c", "a")])
    assert (places[0].self_ms, places[0].fan_out) == (40, 2)


def test_the_critical_path_is_what_was_waited_for() -> None:
    steps = [step("front", 0, 100, "a"), step("x", 5, 20, "b", "a"), step("y", 30, 60, "c", "a"), step("z", 31, 30, "d", "a")]
    assert [place.is_critical for place in look_inside(steps)] == [True, True, True, False]


def test_a_call_made_again_after_an_error_is_a_retry() -> None:
    steps = [
        step("front", 0, 100, "a"),
        step("cart", 10, 10, "b", "a", is_error=True),
        step("cart", 30, 10, "c", "a", is_error=True),
        step("cart", 35, 10, "d", "a"),
        step("cart", 50, 10, "e", "a"),
    ]
    assert [place.retry_of for place in look_inside(steps)] == [-1, -1, 1, -1, -1]


names = st.sampled_from(["", "a", "b", "c"])
steps_drawn = st.lists(
    st.builds(
        Step,
        span_id=names,
        parent_span_id=names,
        span_kind=st.sampled_from(["", "client", "server"]),
        service=st.sampled_from(["front", "cart", "pay"]),
        host=st.sampled_from(["", "h1", "h2"]),
        name=st.sampled_from(["x", "y"]),
        start_ms=st.integers(0, 20).map(float),
        duration_ms=st.integers(0, 20).map(float),
        is_error=st.booleans(),
        server_address=st.sampled_from(["", "cart", "pay:80"]),
        is_log=st.booleans(),
    ),
    max_size=9,
)


@given(steps_drawn)
def test_whatever_the_events_say_there_is_no_circle_and_own_time_is_a_part_of_the_duration(steps: list[Step]) -> None:
    places = look_inside(steps)
    assert len(places) == len(steps)
    for one, (given_step, place) in enumerate(zip(steps, places, strict=True)):
        seen, at = {one}, place.parent
        while at >= 0:
            assert at not in seen
            seen.add(at)
            at = places[at].parent
        assert 0 <= place.self_ms <= given_step.duration_ms
        assert place.depth == len(seen) - 1
