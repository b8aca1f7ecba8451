"""Kafka messages: how rows look on the points, anomalies, incidents and dead-letters topics."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from jobs.score.wire import points_to_json_lines

__all__ = ["messages"]


def messages(target: str, table: pa.Table) -> Iterator[bytes]:
    """Messages of one target.

    points: JSON arrays of many rows, which Flink's json format turns into rows inside the JVM. anomalies, incidents: one JSON object
    per row. dead_letters: one JSON object per row with the original bytes in base64.
    """
    if target == "points":
        yield from points_to_json_lines(table)
        return
    for row in table.to_pylist():  # low volume by nature
        yield orjson.dumps(row, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
