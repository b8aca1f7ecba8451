"""Events written as literals, and the bookkeeping tests need around `on_batch`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from jobs.assemble.core import AssembleOut, on_batch
from jobs.assemble.state import AssembleState
from jobs.knobs import Knobs
from schemas.event import EVENT
from udfs.hashing import hash_strings, hex_ids

T0 = 1_700_000_000_000
"""Start of the tests' time, epoch ms; a whole second."""

_DEFAULTS: dict[str, Any] = {
    "kind": "access",
    "environment": "prod",
    "service_name": "front",
    "http_request_method": "GET",
    "url_path": "/users/17",
    "http_route": "/users/{id}",
    "http_response_status_code": 200,
    "duration_ms": 10.0,
    "topic": "raw",
    "partition": 0,
    "line_index": 0,
    "is_duplicate": False,
    "is_late": False,
}
_counter = iter(range(1 << 60))


def event(at_s: float = 0.0, start_ms: float | None = None, **fields: Any) -> dict[str, Any]:
    """One event that arrives `at_s` seconds after T0 and starts `start_ms` ms after T0 (default: when it arrives)."""
    arrived_ms = T0 + round(at_s * 1000)
    begin_us = (arrived_ms * 1000) if start_ms is None else T0 * 1000 + round(start_ms * 1000)
    return {**_DEFAULTS, "arrived_at": arrived_ms, "timestamp": begin_us, "offset": next(_counter), **fields}


def line(request_id: str, at_s: float = 0.0, **fields: Any) -> dict[str, Any]:
    """An access line."""
    return event(at_s, request_id=request_id, **fields)


def span(trace_id: str, span_id: str, parent: str = "", at_s: float = 0.0, **fields: Any) -> dict[str, Any]:
    """A span without HTTP attributes."""
    http = {"http_route": "", "http_request_method": "", "url_path": "", "http_response_status_code": None}
    kind = {"kind": "span", "span_name": f"op-{span_id}", "span_kind": "server"}
    return event(at_s, **{**http, **kind, "trace_id": trace_id, "span_id": span_id, "parent_span_id": parent, **fields})


def table(events: list[dict[str, Any]]) -> pa.Table:
    """EVENT rows; the transaction is that of the request_id, else the trace_id, else of the event alone."""
    rows = []
    for given in events:
        row = dict(given)
        if "transaction_id" not in row:
            own = f"{row['topic']}/{row['partition']}/{row['offset']}/{row['line_index']}"
            identity = row.get("request_id") or row.get("trace_id") or ("" if row["kind"] == "log" else own)
            row["transaction_id"] = transaction_id(identity) if identity else ""
            row["transaction_hash"] = key(identity) if identity else 0
        rows.append(row)
    columns = []
    for field in EVENT.arrow:
        values = [row.get(field.name, "" if field.type == pa.string() else None) for row in rows]
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=EVENT.arrow)


def transaction_id(identity: str) -> str:
    """Id of a joining identity."""
    array = pa.array([identity])
    return str(hex_ids(hash_strings(array), hash_strings(array, 1))[0].as_py())


def key(identity: str) -> int:
    """64-bit key of a joining identity."""
    return int(hash_strings(pa.array([identity]), 1)[0])


class Bench:
    """A state with the blobs a store would hold."""

    def __init__(self, **knobs: Any) -> None:
        self.knobs = Knobs(**knobs)
        self.blobs: dict[str, bytes] = {}
        self.state = AssembleState.load({}, self.knobs)

    def at(self, at_s: float, *events: dict[str, Any]) -> AssembleOut:
        """Call at `at_s` seconds after T0."""
        return self.give(table(list(events)), T0 + round(at_s * 1000))

    def give(self, events: pa.Table, now_ms: int) -> AssembleOut:
        """Call, and store what changed."""
        self.state, out = on_batch(self.state, events, now_ms)
        for name, blob in self.state.changes().items():
            if blob is None:
                del self.blobs[name]  # only what was put may be deleted
            else:
                self.blobs[name] = blob
        return out

    def crash(self) -> None:
        """Go on with what the store holds."""
        self.state = AssembleState.load(self.blobs, self.knobs)


def final(*tables: pa.Table) -> dict[str, dict[str, Any]]:
    """The row with the highest revision of each transaction, by id."""
    rows: dict[str, dict[str, Any]] = {}
    for row in pa.concat_tables(tables).to_pylist() if tables else []:
        known = rows.get(row["transaction_id"])
        if known is None or row["revision"] > known["revision"]:
            rows[row["transaction_id"]] = row
    return rows
