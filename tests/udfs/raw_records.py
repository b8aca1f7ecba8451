"""Raw records for tests of normalise."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from schemas.event import RAW

__all__ = ["ARRIVAL_MS", "raw_records"]

ARRIVAL_MS = 1_776_000_000_000


def raw_records(values: Sequence[bytes | None], partition: int = 0, first_offset: int = 0) -> pa.Table:
    """One record per value, at running offsets, all arriving at `ARRIVAL_MS`."""
    n = len(values)
    return pa.table(
        {
            "value": pa.array(values, pa.binary()),
            "topic": pa.array(["raw"] * n, pa.string()),
            "partition": pa.array([partition] * n, pa.int32()),
            "offset": pa.array(range(first_offset, first_offset + n), pa.int64()),
            "arrival_ms": pa.array([ARRIVAL_MS] * n, pa.int64()),
        },
        schema=RAW.arrow,
    )
