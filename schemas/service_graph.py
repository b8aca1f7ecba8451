"""Views of who calls whom: derived in the store, no stage writes them."""

from __future__ import annotations

import pyarrow as pa

from schemas.record import Field, Record, f64, i64, text

__all__ = ["SERVICE_EDGE", "SERVICE_GRAPH"]

_ENDS = (
    text("environment", "Environment of the transactions."),
    text("caller", "Service that calls; '(outside)' calls a root, '(not instrumented)' calls spans whose parents never come."),
    text("callee", "Service that is called; where the callee sends nothing, the address asked for, or '(behind caller)'."),
    text("virtual_node", "caller or callee: that end sends no logs; '' = both do."),
)


def _minute(name: str, doc: str) -> Field:
    return Field(name, pa.timestamp("s", tz="UTC"), "DateTime('UTC')", "TIMESTAMP_LTZ(0)", doc)


SERVICE_GRAPH = Record(
    "service_graph",
    "Edges of the service graph per minute, derived from transactions and from client spans that nobody answers.",
    (
        _minute("time", "Minute in which the transactions (for virtual callees: the client spans) started."),
        *_ENDS,
        i64("call_count", "Calls made."),
        i64("error_count", "Calls among them that failed."),
        f64("duration_ms", "Mean duration of a call, as the callee tells it; a virtual callee's as the caller tells it."),
    ),
)

SERVICE_EDGE = Record(
    "service_edges",
    "Every edge of the service graph ever seen, with its first and its last minute.",
    (
        *_ENDS,
        _minute("first_seen_at", "First minute with such a call: an edge first seen of late has appeared."),
        _minute("last_seen_at", "Last minute with such a call: an edge last seen long ago has faded."),
        i64("call_count", "Calls made."),
        i64("error_count", "Calls among them that failed."),
        f64("duration_ms", "Mean duration of a call."),
    ),
)
