"""EVENT, TRANSACTION and METRIC_POINT tables from a few words each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from schemas.event import EVENT, METRIC_POINT
from schemas.record import Record
from schemas.transaction import TRANSACTION
from udfs.hashing import hash_columns

__all__ = ["MINUTE", "SECOND", "START", "events", "metric_points", "transactions"]

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_767_225_600 * SECOND
"""2026-01-01 00:00 UTC, epoch us: the start of a window of every width."""

_EVENT = {
    "kind": "access",
    "environment": "prod",
    "service_name": "shop",
    "http_request_method": "GET",
    "http_route": "/items/{id}",
    "error_category": "",
    "is_duplicate": False,
}
_TRANSACTION = {"environment": "prod", "root_service": "shop", "root_route": "GET /items/{id}", "revision": 1, "duration_ms": 10.0}


def events(*rows: dict[str, Any]) -> pa.Table:
    """EVENT rows; `at` = seconds after START."""
    return _table(EVENT, [_at({**_EVENT, **row}, "timestamp") for row in rows])


def transactions(*rows: dict[str, Any]) -> pa.Table:
    """TRANSACTION rows; `at` = start, seconds after START."""
    return _table(TRANSACTION, [_at({**_TRANSACTION, **row}, "started_at") for row in rows])


def metric_points(*rows: dict[str, Any]) -> pa.Table:
    """METRIC_POINT rows; `at` = seconds after START."""
    known = {
        "environment": "prod",
        "entity_kind": "host",
        "entity": "shop-1-a",
        "metric": "cpu",
        "is_cumulative": False,
        "topic": "raw",
        "partition": 0,
    }
    table = _table(METRIC_POINT, [_at({**known, "offset": i, "line_index": 0, **row}, "time") for i, row in enumerate(rows)])
    hashes = hash_columns([table.column(name) for name in ("environment", "entity_kind", "entity")])
    return METRIC_POINT.conform(table.drop_columns(["entity_hash"]).append_column("entity_hash", pa.array(hashes)))


def _at(row: dict[str, Any], column: str) -> dict[str, Any]:
    at = row.pop("at", 0.0)
    return {column: START + round(at * SECOND), **row}


def _table(record: Record, rows: list[dict[str, Any]]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return record.empty()
    columns = {name: pa.array([row.get(name) for row in rows], _wire(record.arrow.field(name).type)) for name in names}
    return record.conform(pa.table({name: column.cast(record.arrow.field(name).type) for name, column in columns.items()}))


def _wire(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(kind) else kind
