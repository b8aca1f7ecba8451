"""chDB as a store: one engine per folder and process, a connection per statement at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.stack.store.connections import Connections, Context, quote
from jobs.stack.store.faults import NOT_ENOUGH_SPACE, SUPPORT_IS_DISABLED, SYNTAX_ERROR, StoreFault
from jobs.stack.store.statement import Statement

__all__ = ["Engine", "Outcome"]

# Engines whose tables cannot be attached again by chDB: the whole folder would not open.
_REFUSED_ENGINES = frozenset({"kafka", "rabbitmq", "nats", "s3queue", "azurequeue", "filelog"})
# Formats without head and foot: chDB's chunks of a stream, put together, are the format. In others each chunk is a document.
_STREAMABLE = frozenset({"native", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "jsoneachrow", "rowbinary"})

_CONFIG = """<clickhouse>
    <logger><level>none</level></logger>
    <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
    <background_pool_size>{threads}</background_pool_size>
    <background_merges_mutations_concurrency_ratio>1</background_merges_mutations_concurrency_ratio>
    <background_schedule_pool_size>2</background_schedule_pool_size>
    <mark_cache_size>{cache_bytes}</mark_cache_size>
    <primary_index_cache_size>{cache_bytes}</primary_index_cache_size>
    <index_mark_cache_size>{cache_bytes}</index_mark_cache_size>
    <text_index_tokens_cache_size>0</text_index_tokens_cache_size>
    <text_index_header_cache_size>0</text_index_header_cache_size>
    <text_index_postings_cache_size>0</text_index_postings_cache_size>
    <vector_similarity_index_cache_size>0</vector_similarity_index_cache_size>
</clickhouse>
"""


@dataclass
class Outcome:
    """The result of a statement: a whole body, or pieces still to come."""

    body: bytes = b""
    more: Iterator[bytes] | None = None
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    lease: ExitStack | None = None

    def close(self) -> None:
        """Give the connection back; needed where `more` is set."""
        if self.more is not None:
            self.more.close()  # type: ignore[attr-defined]
        if self.lease is not None:
            self.lease.close()


class Engine:
    """Runs statements, several at once, each on a connection of its own.

    A chDB connection serves one statement at a time and refuses queries during a streaming insert; connections of one path
    run side by side (measured).
    """

    def __init__(self, path: Path, memory_bytes: int = 0, threads: int = 2) -> None:
        os.environ.setdefault("TZ", "UTC")
        from chdb.state.sqlitelike import Connection

        path.mkdir(parents=True, exist_ok=True)
        physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory_bytes = memory_bytes or min(8 << 30, physical_bytes // 2)
        config = path / "config.xml"
        config.write_text(_CONFIG.format(memory_bytes=memory_bytes, threads=threads, cache_bytes=max(64 << 20, memory_bytes // 16)))
        address = f"{path / 'data'}?config-file={config}&max_threads={threads}&implicit_select=0&async_insert=0"
        # Open as long as the engine: the last connection that closes takes chDB down with it.
        self._keeper = Connection(address)
        self._connections = Connections(lambda: Connection(address))
        self._failed_inserts = 0
        self.version = self._keeper.query("SELECT version() FORMAT TSVRaw").bytes().decode().strip()
        self.timezone = self._keeper.query("SELECT timezone() FORMAT TSVRaw").bytes().decode().strip()

    def _count_failed_inserts(self, connection: Any) -> int:
        """Inserts that failed since the engine was opened."""
        counted = int(connection.query("SELECT sum(value) FROM system.events WHERE event = 'FailedInsertQuery' FORMAT TSV").bytes())
        self._failed_inserts = max(self._failed_inserts, counted)
        return counted

    def close(self) -> None:
        """Close every connection: what was acknowledged is on disk before as well as after."""
        self._connections.close()
        self._keeper.close()

    def run(self, sql: str, statement: Statement, context: Context, output_format: str) -> Outcome:
        """Run a statement without data of its own.

        Raises
        ------
        StoreFault
            What ClickHouse says is wrong.
        """
        _refuse(statement)
        chosen = (statement.output_format or output_format).lower()
        with ExitStack() as lease:
            connection = lease.enter_context(self._connections.lease(context, statement.verb, sql))
            try:
                if statement.verb not in ("SELECT", "WITH") or chosen not in _STREAMABLE:
                    return _outcome(connection.query(sql, output_format, params=dict(context.params)))
                stream = connection.send_query(sql, output_format, params=dict(context.params))
                first = _fetch(stream)
                second = _fetch(stream) if first is not None else None
            except Exception as error:
                if statement.verb == "INSERT":
                    self._count_failed_inserts(connection)
                raise StoreFault.wrap(error) from None
            if first is None or second is None:
                return _outcome(first) if first is not None else Outcome()
            outcome = _outcome(first)
            outcome.more = _rest(stream, second)
            outcome.lease = lease.pop_all()
            return outcome

    def insert(self, statement: Statement, pieces: Iterator[bytes], context: Context) -> Outcome:
        """Run an INSERT with the data that follows it, as it arrives; rows of one block are stored all or none.

        Raises
        ------
        StoreFault
            What ClickHouse says is wrong; the connection is given up.
        """
        head = statement.head.decode("utf-8", "replace")
        failed_before = self._failed_inserts
        with self._connections.lease(context, "SET" if context.params else "INSERT") as connection:
            try:
                if context.params:
                    values = ", ".join(f"param_{name} = {quote(value)}" for name, value in context.params.items())
                    connection.query(f"SET {values}")
                with connection.send_insert(head, statement.input_format) as insert:
                    for piece in pieces:
                        if piece:
                            insert.append(piece)
                    result = insert.finish()
            except StoreFault:
                raise
            except Exception as error:
                self._count_failed_inserts(connection)
                raise StoreFault.wrap(error) from None
            # chDB's streaming insert says nothing when the last step of writing fails (a full disk, say); its counter knows. An insert
            # that runs beside one that fails may be refused as well: the one who repeats it must be able to.
            failed = self._count_failed_inserts(connection)
        if failed > failed_before:
            raise StoreFault.of(NOT_ENOUGH_SPACE, "The rows were not written (or those of an insert beside them); is the disk full?")
        return Outcome(written_rows=result.rows_written, written_bytes=result.bytes_written)


def _fetch(stream: Any) -> Any:
    result = stream.fetch()
    return result if result is not None and result.size() else None


def _rest(stream: Any, second: Any) -> Iterator[bytes]:
    result = second
    try:
        while result is not None:
            yield result.bytes()
            result = _fetch(stream)
    except GeneratorExit:
        with suppress(Exception):
            stream.cancel()
        raise
    except Exception as error:
        raise StoreFault.wrap(error) from None


def _refuse(statement: Statement) -> None:
    if statement.count > 1:
        raise StoreFault.of(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
    if statement.engine and statement.engine.lower() in _REFUSED_ENGINES:
        raise StoreFault.of(
            SUPPORT_IS_DISABLED, f"The embedded store has no ENGINE = {statement.engine}: its folder could not be opened again"
        )


def _outcome(result: Any) -> Outcome:
    return Outcome(
        body=result.bytes(),
        read_rows=result.storage_rows_read() or 0,
        read_bytes=result.storage_bytes_read() or 0,
        written_rows=result.rows_written() or 0,
        written_bytes=result.bytes_written() or 0,
        result_rows=result.rows_read() or 0,
    )
