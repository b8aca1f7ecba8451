"""Transactions: all events of one request."""

from __future__ import annotations

import pyarrow as pa

from schemas.record import Field, Record, boolean, f64, i32, i64, strings, text, time_ms, time_us, u16, u64

__all__ = ["CLOSURE_REASONS", "LINK", "MERGE", "ORPHAN_KINDS", "TRANSACTION"]

CLOSURE_REASONS = ("complete", "timed_out", "evicted", "quiet", "merged")
ORPHAN_KINDS = (
    "",
    "no_root",
    "missing_parent",
    "many_roots",
    "no_server_span",
    "lost_collector",
    "uninstrumented_caller",
    "late_beyond_horizon",
)


def _i32s(name: str, doc: str) -> Field:
    return Field(name, pa.list_(pa.int32()), "Array(Int32)", "ARRAY<INT>", doc)


def _f64s(name: str, doc: str) -> Field:
    return Field(name, pa.list_(pa.float64()), "Array(Float64)", "ARRAY<DOUBLE>", doc)


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
        _i32s("call_counts", "How often each of `calls` was made, in their order; two events of one span are one call."),
        _i32s("call_error_counts", "How many of them failed, as the callee tells it."),
        _f64s("call_duration_ms", "Time they took in all, ms, as the callee tells it; what was not logged counts as 0."),
        time_us("started_at", "Earliest start of an event."),
        time_us("ended_at", "Latest end of an event."),
        f64("duration_ms", "ended_at - started_at in ms (root's own duration where there is a root span)."),
        u16("http_response_status_code", "Status of the root, else of the earliest event that has one."),
        text("error_category", "Error category of the root, else of the earliest event with one.", low_cardinality=True),
        i32("event_count", "Events in it, duplicates not counted."),
        i32("span_count", "Spans among them."),
        i32("error_count", "Events with an error among them."),
        i32("retry_count", "Calls made again after an error: same parent, same callee and route, begun after the failed one."),
        i32("depth", "Longest chain of parents and children, in spans; 0 = no spans."),
        i32("duplicate_count", "Events recognised as repeats."),
        i32("late_count", "Events that came after it was closed."),
        i32("moved_count", "Events and repeats that were here until their trace turned out to belong to an earlier request."),
        i32("orphan_count", "Spans whose parent is not there."),
        text(
            "orphan_kind",
            "'' = a whole tree or no spans; no_root = no span without a parent; no_server_span = spans of a service without the server"
            " span above them, or a call whose callee is silent; missing_parent = another span is missing; lost_collector = what is"
            " missing belongs to a service that fell silent everywhere; uninstrumented_caller = parents that never send spans;"
            " many_roots = more than one span without a parent; late_beyond_horizon = came after the rest was forgotten.",
            low_cardinality=True,
        ),
        text("orphan_evidence", "Why orphan_kind is what it is, in words; '' when nothing is missing."),
        text(
            "closure_reason",
            "complete = whole tree; quiet = more was unlikely to come; timed_out = the longest wait was over; evicted = to make room.",
            low_cardinality=True,
        ),
        f64("p_complete", "Chance, as learned from transactions like it, that nothing more was to come when it was closed; 0..1."),
        i64("waited_ms", "Broker time it was held open: from its first event to its closing."),
        time_ms("first_arrived_at", "Broker time of its first event."),
        time_ms("closed_at", "Broker time at which it was first closed."),
        text("merged_into", "transaction_id of the request that its trace turned out to belong to; such rows are hidden from the view."),
        boolean("is_error", "The root (or any event where there is no root) ended in an error."),
    ),
    identity=("transaction_id",),
    order_by=("transaction_id",),
)

LINK = Record(
    "links",
    "A trace ID and the request it belongs to, learned from an event that carries both. In flight only.",
    (
        u64("trace_hash", "64-bit key of the trace alone: partitioning."),
        text("transaction_id", "Transaction of the request."),
        u64("transaction_hash", "64-bit key of that transaction."),
        i64("start_us", "Earliest start of an event that carries both, epoch us: of several requests the first owns the trace."),
    ),
)

MERGE = Record(
    "merges",
    "A trace whose events move to the transaction of a request; the store rewrites those it already has.",
    (
        text("trace_id", "Trace ID of the events; they carry no request ID."),
        text("merged_into", "transaction_id they belong to."),
        u64("merged_hash", "64-bit key of that transaction."),
        time_us("started_at", "Earliest start of the events."),
        time_us("ended_at", "Latest start of the events."),
    ),
    identity=("trace_id",),
)
