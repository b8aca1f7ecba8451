"""Merges as statements: the store writes events it has once more, under the transaction they turned out to belong to."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from schemas.event import EVENT

__all__ = ["MAX_QUERY_BYTES", "merge_statements"]

_TRACES = 2_000
MAX_QUERY_BYTES = 4 << 20
"""Setting `max_query_size` these statements need."""


def merge_statements(merges: pa.Table) -> Iterator[bytes]:
    """INSERT ... SELECT statements for rows of MERGE; run again they change nothing.

    Of equal events the one written last is the truth, so nothing is deleted. Cost: one pass over the parts in whose time the
    events lie, per 2,000 traces.
    """
    columns = ", ".join(f"`{name}`" for name in EVENT.names)
    given = {"transaction_id": "merged_into", "transaction_hash": "merged_hash"}
    for start in range(0, merges.num_rows, _TRACES):
        few = merges.slice(start, _TRACES).combine_chunks()
        traces = _array(few.column("trace_id"))
        wanted = ", ".join(_looked_up(name, traces, few.column(given[name])) if name in given else f"`{name}`" for name in EVENT.names)
        begin = pc.min(few.column("started_at").cast(pa.int64())).as_py()
        end = pc.max(few.column("ended_at").cast(pa.int64())).as_py()
        yield (
            f"INSERT INTO events_data ({columns}) SELECT {wanted} FROM events_data WHERE request_id = '' AND trace_id IN {traces}"
            f" AND timestamp >= fromUnixTimestamp64Micro({begin}, 'UTC') AND timestamp <= fromUnixTimestamp64Micro({end}, 'UTC')"
        ).encode()


def _looked_up(name: str, traces: str, values: pa.ChunkedArray) -> str:
    return f"transform(trace_id, {traces}, {_array(values)}, `{name}`) AS `new_{name}`"


def _array(values: pa.ChunkedArray) -> str:
    """A literal array: traces of one statement, not rows."""
    if pa.types.is_integer(values.type):
        return "[" + ",".join(f"toUInt64({value})" for value in values.to_pylist()) + "]"
    quoted = [value.replace("\\", "\\\\").replace("'", "\\'") for value in values.to_pylist()]
    return "[" + ",".join(f"'{value}'" for value in quoted) + "]"
