"""Arrow tables to bytes and back: the one module in which stages' payloads are framed."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

__all__ = ["from_payload", "to_payload"]

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def to_payload(table: pa.Table) -> bytes:
    """One Arrow IPC stream (LZ4) of the table, as one batch.

    Cost: one copy of the table; about 1 ms for 10,000 events.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        for batch in table.combine_chunks().to_batches():
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def from_payload(payload: bytes) -> pa.Table:
    """Read what `to_payload` wrote.

    Raises
    ------
    pyarrow.ArrowInvalid
        The bytes are no Arrow stream: a fault of ours, not of the data.
    """
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        return reader.read_all()


def concat(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """One table of all, or an empty one with `schema`."""
    parts = [t for t in tables if t.num_rows]
    return pa.concat_tables(parts) if parts else schema.empty_table()
