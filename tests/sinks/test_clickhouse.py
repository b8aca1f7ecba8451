"""The sink: acknowledged or an error, never in between."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig
from jobs.sinks import clickhouse
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.errors import StoreError
from schemas.event import DEAD_LETTER, EVENT

Query = Callable[[str], list[tuple[Any, ...]]]


def _letters(count: int) -> pa.Table:
    return DEAD_LETTER.conform(pa.table({"offset": pa.array(range(count), pa.int64()), "topic": ["raw"] * count}))


@pytest.fixture
def flaky() -> Iterator[tuple[str, list[tuple[int, str] | None], list[int]]]:
    """A server that answers as told, one (status, body) a request (None = closes the connection), then 200; with sizes it got."""
    answers: list[tuple[int, str] | None] = []
    sizes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sizes.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = answers.pop(0) if answers else (200, "")
            if answer is None:
                self.close_connection = True
                return
            body = answer[1].encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answers, sizes
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse, "_FIRST_WAIT_S", 0.01)


def test_rows_are_there_when_insert_returns(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sink = ClickHouseSink(fresh_database)
    assert sink.insert(DEAD_LETTER, _letters(40_000)) == 40_000
    assert sql("SELECT count() FROM dead_letters") == [(40_000,)]
    assert sink.insert(DEAD_LETTER, _letters(0)) == 0


def test_missing_columns_and_nulls_become_defaults(fresh_database: ClickHouseConfig, sql: Query) -> None:
    ClickHouseSink(fresh_database).insert(EVENT, pa.table({"offset": [1], "http_route": [None], "duration_ms": [None]}))
    assert sql("SELECT offset, http_route, url_path, duration_ms, is_late FROM events") == [(1, "", "", None, False)]


def test_large_tables_are_split(fresh_database: ClickHouseConfig, sql: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse, "MAX_ROWS_PER_INSERT", 1000)
    table = pa.concat_tables([_letters(1700).slice(0, 900), _letters(1700).slice(900)])
    assert ClickHouseSink(fresh_database).insert(DEAD_LETTER, table) == 1700
    assert sql("SELECT count(), uniqExact(offset) FROM dead_letters") == [(1700, 1700)]
    assert sql("SELECT max(rows) FROM system.parts WHERE database = currentDatabase() AND level = 0")[0][0] <= 1000


def test_a_sink_survives_pickling_before_and_after_use(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sink = pickle.loads(pickle.dumps(ClickHouseSink(fresh_database)))
    sink.insert(DEAD_LETTER, _letters(1))
    pickle.loads(pickle.dumps(sink)).insert(DEAD_LETTER, _letters(2))
    assert sql("SELECT count() FROM dead_letters") == [(2,)]


@pytest.mark.parametrize(
    "answer",
    [
        (503, "overloaded"),
        (500, "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"),
        (500, "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)"),
        (200, "Code: 241. DB::Exception: Memory limit exceeded, late. (MEMORY_LIMIT_EXCEEDED)"),
        None,
    ],
)
def test_passing_errors_are_repeated_with_the_whole_body(
    flaky: tuple[str, list[tuple[int, str] | None], list[int]], answer: tuple[int, str] | None
) -> None:
    url, answers, sizes = flaky
    answers += [answer, answer]
    assert ClickHouseSink(ClickHouseConfig(url=url)).insert(DEAD_LETTER, _letters(500)) == 500
    assert len(sizes) == 3
    assert len(set(sizes)) == 1


def test_a_connection_closed_while_idle_is_no_error(
    flaky: tuple[str, list[tuple[int, str] | None], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    url, answers, sizes = flaky
    sink = ClickHouseSink(ClickHouseConfig(url=url))
    sink.insert(DEAD_LETTER, _letters(1))
    answers.append(None)
    sink.insert(DEAD_LETTER, _letters(1))
    assert len(sizes) == 3
    assert caplog.records == []


def test_an_error_that_lasts_becomes_a_store_error_in_time(flaky: tuple[str, list[tuple[int, str] | None], list[int]]) -> None:
    url, answers, sizes = flaky
    answers += [(500, "Code: 241. DB::Exception: Memory limit exceeded.")] * 1000
    with pytest.raises(StoreError, match="did not take rows for dead_letters_data within 0 s.*Code: 241"):
        ClickHouseSink(ClickHouseConfig(url=url), max_elapsed_s=0.2).insert(DEAD_LETTER, _letters(1))
    assert len(sizes) > 2


def test_nobody_listening_becomes_a_store_error_in_time() -> None:
    sink = ClickHouseSink(ClickHouseConfig(url="http://127.0.0.1:9"), max_elapsed_s=0.1)
    with pytest.raises(StoreError, match="refused"):
        sink.insert(DEAD_LETTER, _letters(1))


def test_a_missing_table_fails_at_once_and_names_migrate(store: ClickHouseConfig) -> None:
    with pytest.raises(StoreError, match="run `anomasec migrate`"):
        ClickHouseSink(replace(store, database="system")).insert(DEAD_LETTER, _letters(1))
    with pytest.raises(StoreError, match="UNKNOWN_DATABASE.*run `anomasec migrate`"):
        ClickHouseSink(replace(store, database="nowhere")).insert(DEAD_LETTER, _letters(1))


def test_a_missing_column_fails_at_once_and_names_migrate(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sql("ALTER TABLE dead_letters_data DROP COLUMN detail")
    with pytest.raises(StoreError, match="NO_SUCH_COLUMN_IN_TABLE.*run `anomasec migrate`"):
        ClickHouseSink(fresh_database).insert(DEAD_LETTER, _letters(1))


def test_refused_credentials_fail_at_once(flaky: tuple[str, list[tuple[int, str] | None], list[int]]) -> None:
    url, answers, sizes = flaky
    answers.append((403, "Code: 516. DB::Exception: default: Authentication failed (AUTHENTICATION_FAILED)"))
    with pytest.raises(StoreError, match="set .clickhouse. user and password"):
        ClickHouseSink(ClickHouseConfig(url=url)).insert(DEAD_LETTER, _letters(1))
    assert len(sizes) == 1
