"""Kafka messages: how rows look on the points, anomalies, incidents and dead-letters topics."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

__all__ = ["messages"]

_POINTS_PER_MESSAGE = 2_000
"""Keeps a message near 1 MB, the default limit of brokers."""


def messages(target: str, table: pa.Table) -> Iterator[bytes]:
    """Messages of one target.

    points: JSON arrays of many rows, which Flink's json format turns into rows inside the JVM. anomalies, incidents: one JSON object
    per row. dead_letters: one JSON object per row with the original bytes in base64.
    """
    if target == "points":
        from jobs.score.wire import points_to_json

        for start in range(0, table.num_rows, _POINTS_PER_MESSAGE):
            yield points_to_json(table.slice(start, _POINTS_PER_MESSAGE))
        return
    for row in table.to_pylist():  # low volume by nature
        yield orjson.dumps(row, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
