"""Inserts that run beside the work of the same tick."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.sinks.clickhouse import ClickHouseSink
from schemas.record import Record

if TYPE_CHECKING:
    from jobs.config import ClickHouseConfig

__all__ = ["ConcurrentSink", "settle"]

_THREADS = 2
"""The store's work on a tick's events and transactions is of a size: more threads would only share it out."""


class ConcurrentSink:
    """A `ClickHouseSink` per thread; `insert` begins an insert and says nothing before `settle` does.

    While ClickHouse is busy with a tick's events, the worker counts what is in them. Nobody may take a tick for written before all of
    its inserts are settled: the state that follows it would go into a checkpoint, and what failed would be lost.
    """

    def __init__(self, config: ClickHouseConfig) -> None:
        self._config = config
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="insert")
        self._own = threading.local()

    def insert(self, record: Record, table: pa.Table) -> Future[int]:
        """Begin to insert all rows of a table; order between inserts is kept only by settling the earlier one first."""
        return self._pool.submit(self._insert, record, table)

    def _insert(self, record: Record, table: pa.Table) -> int:
        sink: ClickHouseSink | None = getattr(self._own, "sink", None)
        if sink is None:
            sink = self._own.sink = ClickHouseSink(self._config)
        return sink.insert(record, table)


def settle(begun: Iterable[object]) -> None:
    """Wait for what an inserting function gave back, where it is still under way.

    Raises
    ------
    StoreError
        An insert was refused; all others have ended by then.
    """
    futures = [each for each in begun if isinstance(each, Future)]
    failed = [error for each in futures if (error := each.exception()) is not None]
    if failed:
        raise failed[0]
