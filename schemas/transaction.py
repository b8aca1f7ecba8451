"""Transactions: all events of one request."""

from __future__ import annotations

from schemas.record import Record, boolean, f64, i32, i64, strings, text, time_ms, time_us, u16

__all__ = ["CLOSURE_REASONS", "TRANSACTION"]

CLOSURE_REASONS = ("complete", "timed_out", "evicted")

TRANSACTION = Record(
    "transactions",
    "One request across hops: all events that share a request ID (or trace ID).",
    (
        text("transaction_id", "128-bit hash of the joining identity, 32 hex digits."),
        text("environment", "Environment of the root (else of the earliest event).", low_cardinality=True),
        text("request_id", "Request ID of the events; '' when they have none."),
        text("trace_id", "Trace ID of the events; '' when they have none."),
        i64("revision", "1 + number of late events: the highest is the truth."),
        text("root_span_id", "Span ID of the one span without a parent; '' where there is no root."),
        text("root_service", "Service of the root, else of the earliest event.", low_cardinality=True),
        text("root_route", "Route (else span name) of the root, else of the earliest event.", low_cardinality=True),
        strings("services", "Services on the path, in order of their first event."),
        strings("calls", "Distinct 'caller>callee' service pairs seen between parents and children."),
        time_us("started_at", "Earliest start of an event."),
        time_us("ended_at", "Latest end of an event."),
        f64("duration_ms", "ended_at - started_at in ms (root's own duration where there is a root span)."),
        u16("http_response_status_code", "Status of the root, else of the earliest event that has one."),
        text("error_category", "Error category of the root, else of the earliest event with one.", low_cardinality=True),
        i32("event_count", "Events in it, duplicates not counted."),
        i32("span_count", "Spans among them."),
        i32("error_count", "Events with an error among them."),
        i32("duplicate_count", "Events recognised as repeats."),
        i32("late_count", "Events that came after it was closed."),
        i32("orphan_count", "Spans whose parent is not there."),
        text(
            "orphan_kind",
            "'' = a whole tree or no spans; no_root = no span without a parent; missing_parent = spans whose parent"
            " never came; many_roots = more than one span without a parent.",
            low_cardinality=True,
        ),
        text("closure_reason", "complete, timed_out or evicted.", low_cardinality=True),
        time_ms("first_arrived_at", "Broker time of its first event."),
        time_ms("closed_at", "Broker time at which it was first closed."),
        boolean("is_error", "The root (or any event where there is no root) ended in an error."),
    ),
    identity=("transaction_id",),
    order_by=("transaction_id",),
)
