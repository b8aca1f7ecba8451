"""Inserts beside the work: begun at once, told of when settled."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig
from jobs.sinks.concurrent import ConcurrentSink, settle
from schemas.errors import StoreError
from schemas.event import DEAD_LETTER
from schemas.point import POINT


def _letters(n: int) -> pa.Table:
    rows = [{"topic": "raw", "partition": 0, "offset": offset, "line_index": 0} for offset in range(n)]
    return DEAD_LETTER.conform(pa.Table.from_pylist(rows))


def test_what_is_settled_is_stored(fresh_database: ClickHouseConfig) -> None:
    sink = ConcurrentSink(fresh_database)
    settle([sink.insert(DEAD_LETTER, _letters(10)), None])
    client = fresh_database.client()
    assert client.query("SELECT count() FROM dead_letters").result_rows == [(10,)]
    client.close()


def test_an_insert_that_failed_is_told_and_the_others_are_stored(fresh_database: ClickHouseConfig) -> None:
    sink = ConcurrentSink(fresh_database)
    client = fresh_database.client()
    client.command("DROP TABLE points_data")
    begun = [sink.insert(POINT, POINT.conform(pa.Table.from_pylist([{"entity": "x"}]))), sink.insert(DEAD_LETTER, _letters(3))]
    with pytest.raises(StoreError, match="points_data"):
        settle(begun)
    assert client.query("SELECT count() FROM dead_letters").result_rows == [(3,)]
    client.close()
