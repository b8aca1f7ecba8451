"""Calls, retries and depth of a transaction, by literal cases; any other shape is compared with the twin."""

from __future__ import annotations

from typing import Any

from tests.assemble.literal import Bench, final, span


def _row(*spans: dict[str, Any]) -> dict[str, Any]:
    bench = Bench()
    (row,) = final(bench.at(1, *spans).transactions, bench.at(900).transactions).values()
    return dict(row)


def test_each_call_is_counted_with_its_errors_and_its_time() -> None:
    row = _row(
        span("t", "a"),
        span("t", "b", "a", service_name="cart", duration_ms=3.0),
        span("t", "c", "a", service_name="cart", duration_ms=4.0, error_category="backend"),
        span("t", "d", "c", service_name="pay", duration_ms=None),
        span("t", "e", "a"),  # within the service: no call
    )
    assert row["calls"] == ["front>cart", "cart>pay"]
    assert (row["call_counts"], row["call_error_counts"], row["call_duration_ms"]) == ([2, 1], [1, 0], [7.0, 0.0])
    assert row["depth"] == 3


def test_both_halves_of_a_shared_span_and_its_access_line_are_one_call() -> None:
    row = _row(
        span("t", "a"),
        span("t", "b", "a", span_kind="client"),
        span("t", "b", "a", service_name="cart", duration_ms=4.0),
        span("t", "b", "a", service_name="cart", kind="access", span_kind="", duration_ms=4.0, start_ms=1001.0),
    )
    assert (row["calls"], row["call_counts"], row["call_duration_ms"]) == (["front>cart"], [1], [4.0])


def test_a_call_made_again_after_it_failed_is_a_retry_and_one_made_beside_it_is_none() -> None:
    failed: dict[str, Any] = {"service_name": "cart", "span_name": "get", "error_category": "backend"}
    again: dict[str, Any] = {"service_name": "cart", "span_name": "get"}
    first = span("t", "b", "a", start_ms=1000.0, duration_ms=10.0, **failed)
    assert _row(span("t", "a"), first, span("t", "c", "a", start_ms=1010.0, **again))["retry_count"] == 1
    assert _row(span("t", "a"), first, span("t", "c", "a", start_ms=1009.0, **again))["retry_count"] == 0
    assert _row(span("t", "a"), first, span("t", "c", "a", start_ms=1010.0, **{**again, "span_name": "put"}))["retry_count"] == 0
