"""Partial windows: what one tick adds to a window of an entity, before the parts are put together."""

from __future__ import annotations

import pyarrow as pa

from schemas.event import ERROR_CATEGORIES
from schemas.record import Field, Record, i64, text, time_us, u64

__all__ = ["PARTIAL"]


def _buckets(name: str, doc: str) -> Field:
    return Field(name, pa.list_(pa.int16()), "Array(Int16)", "ARRAY<SMALLINT>", doc)


def _counts(name: str, doc: str) -> Field:
    return Field(name, pa.list_(pa.int32()), "Array(Int32)", "ARRAY<INT>", doc)


PARTIAL = Record(
    "partials",
    "Counts and histograms that one tick adds to one entity's window of the finest width.",
    (
        text("environment", "Deployment environment; '' when the log does not say.", low_cardinality=True),
        text("entity_kind", "environment, service, route, client or call.", low_cardinality=True),
        text("entity", "Name of the entity; a route is 'service METHOD /route', a call 'caller>callee'.", low_cardinality=True),
        u64("entity_hash", "64-bit hash of environment, entity_kind and entity: partitioning and state look-ups."),
        time_us("window_start", "Start of the finest window, from the events' own time."),
        i64("request_count", "Requests."),
        *(i64(f"error_count_{category}", f"Requests that ended in a {category} error.") for category in ERROR_CATEGORIES),
        i64("response_bytes", "Sum of the response body bytes that were logged."),
        _buckets("duration_buckets", "Buckets of the request duration histogram, ascending (jobs/measure/histogram.py); null = none."),
        _counts("duration_counts", "Requests in each of `duration_buckets`."),
        _buckets("transaction_buckets", "Buckets of the transaction duration histogram, ascending; null = none."),
        _counts("transaction_counts", "Transactions in each of `transaction_buckets`."),
    ),
)
