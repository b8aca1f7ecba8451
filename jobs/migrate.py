"""Numbered migrations of `sql/clickhouse/`: applied once, in order, recorded in `schema_migrations`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.change import CHANGE
from schemas.errors import StoreError
from schemas.event import DEAD_LETTER, DEAD_LETTER_RETRY, EVENT
from schemas.journey import JOURNEY, JOURNEY_STEP
from schemas.point import ANOMALY, BUDGET, INCIDENT, LABEL, POINT, SCORE
from schemas.record import Field, Record, text, time_us, u64
from schemas.service_graph import SERVICE_EDGE, SERVICE_GRAPH
from schemas.transaction import TRANSACTION

__all__ = [
    "INTERNAL_COLUMNS",
    "RECORDS",
    "RETENTION_COLUMNS",
    "SERVICE_CALL",
    "VIEWS",
    "Migration",
    "migrate",
    "pending",
    "read_migrations",
    "set_retention",
]

RECORDS: tuple[Record, ...] = (
    EVENT, TRANSACTION, CHANGE, POINT, SCORE, ANOMALY, INCIDENT, BUDGET, LABEL, DEAD_LETTER, DEAD_LETTER_RETRY,
)  # fmt: skip
"""What the store holds: each record as table `<name>_data` and view `<name>`."""
SERVICE_CALL = Record(
    "service_calls",
    "Which service calls which, per minute; derived from the calls of transactions.",
    (
        Field("time", pa.timestamp("s", tz="UTC"), "DateTime('UTC')", "TIMESTAMP_LTZ(0)", "Minute in which the transactions started."),
        text("environment", "Environment of the transactions.", low_cardinality=True),
        text("caller", "Service that calls."),
        text("callee", "Service that is called."),
        u64("transaction_count", "Transactions in which the caller was seen to call the callee."),
        u64("error_transaction_count", "Transactions among them that ended in an error."),
    ),
)
LOG_TEMPLATE = Record(
    "log_templates",
    "What services write to their logs: messages with <*> for what differs, and since when.",
    (
        text("environment", "Environment of the log records.", low_cardinality=True),
        text("service_name", "Service that writes them.", low_cardinality=True),
        text("log_template", "Message with <*> for numbers, ids and quoted values.", low_cardinality=True),
        time_us("first_seen_at", "Time of the first such record: a template first seen of late is new."),
        time_us("last_seen_at", "Time of the last."),
        u64("event_count", "Log records of the template; one told twice may count twice until the table is merged."),
        text("example", "Message of one of them."),
    ),
)
_DERIVED = (SERVICE_CALL, SERVICE_GRAPH, SERVICE_EDGE, JOURNEY_STEP, JOURNEY, LOG_TEMPLATE)
VIEWS: Mapping[str, Record] = {record.name: record for record in (*RECORDS, *_DERIVED)}
"""What readers may query, by name; a view has the columns of its record without `INTERNAL_COLUMNS`."""
INTERNAL_COLUMNS = frozenset({"transaction_hash", "merged_into"})
"""Columns of tables that views leave out."""
RETENTION_COLUMNS: Mapping[str, str] = {
    "events": "arrived_at",
    "transactions": "closed_at",
    "points": "time",
    "scores": "time",
    "anomalies": "time",
    "incidents": "ended_at",
    "budget": "time",
    "labels": "labelled_at",
    "dead_letters": "arrived_at",
    "changes": "arrived_at",
    "dead_letter_retries": "retried_at",
}
"""The time from which a row's age counts."""

_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version"""


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the statements; a changed comment counts, so that an applied file stays what it was."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:32]


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The files of a folder (default: `sql/clickhouse` of the product), by number.

    Raises
    ------
    StoreError
        No files, a name that is not `0001_what.sql`, or a number twice or missing.
    """
    if folder is None:
        from jobs.config import data_folder

        folder = data_folder("sql") / "clickhouse"
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.match(path.name)
        if match is None:
            raise StoreError(f"{path} is no migration", "name it like 0003_what_it_does.sql")
        migrations.append(Migration(int(match.group(1)), path.stem, path.read_text()))
    if [m.version for m in migrations] != list(range(1, len(migrations) + 1)) or not migrations:
        raise StoreError(f"the migrations in {folder} are not numbered 0001, 0002, ... without gaps", "mend the file names")
    return migrations


def pending(client: Any, database: str, folder: Path | None = None) -> list[str]:
    """Names of the migrations that `migrate` would apply.

    Raises
    ------
    StoreError
        As `migrate`.
    """
    return [migration.name for migration in _pending(client, database, read_migrations(folder))]


def migrate(client: Any, database: str, folder: Path | None = None) -> list[str]:
    """Bring a database up to date; create it if missing. Harmless when repeated or when it was cut short.

    Parameters
    ----------
    client
        A clickhouse-connect client, of any database.
    database
        Name of the database, letters, digits and underscores.
    folder
        Folder of the migrations; None = the product's.

    Returns
    -------
    list[str]
        Names of the migrations that were applied now.

    Raises
    ------
    StoreError
        A statement was refused, an applied file was changed since, or the database is newer than this product.
    """
    todo = _pending(client, database, read_migrations(folder))
    with _told_in_one_line("migrate"):
        with _in_database(client, None):
            client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        with _in_database(client, database):
            client.command(_LEDGER)
            for migration in todo:
                for statement in _statements(migration.sql):
                    client.command(statement)
                client.command(
                    "INSERT INTO schema_migrations (version, name, checksum) SELECT {version:UInt32}, {name:String}, {checksum:String}",
                    parameters={"version": migration.version, "name": migration.name, "checksum": migration.checksum},
                )
            _comment_columns(client)
    return [migration.name for migration in todo]


def set_retention(client: Any, database: str, days: int | None) -> None:
    """Delete rows older than some days, by and by, in the background; None = keep all for ever (as migrated).

    Age counts from the data's own clock, so replayed old logs are old.

    Raises
    ------
    StoreError
        A statement was refused.
    """
    with _told_in_one_line("set the retention"), _in_database(client, database):
        for name, column in RETENTION_COLUMNS.items():
            created = str(
                client.command(f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = '{name}_data'")
            )
            if days is not None:
                client.command(f"ALTER TABLE {name}_data MODIFY TTL toDateTime({column}) + INTERVAL {int(days)} DAY DELETE")
            elif " TTL " in created:
                client.command(f"ALTER TABLE {name}_data REMOVE TTL")


def _pending(client: Any, database: str, migrations: list[Migration]) -> list[Migration]:
    if not _NAME.match(database):
        raise StoreError(f"'{database}' is no database name", "use letters, digits and underscores")
    applied = _applied(client, database)
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise StoreError(
                f"{migration.name}.sql was changed after it was applied to database {database}",
                "restore the file, and put the change into a new one",
            )
    if applied and max(applied) > len(migrations):
        raise StoreError(f"database {database} was migrated by a newer version of anomasec", "update anomasec, or use another database")
    return [migration for migration in migrations if migration.version not in applied]


def _applied(client: Any, database: str) -> dict[int, str]:
    with _told_in_one_line("read the applied migrations"), _in_database(client, None):
        known = client.query(
            "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'",
            parameters={"database": database},
        ).result_rows[0][0]
        if not known:
            return {}
        rows = client.query(f"SELECT version, checksum FROM {database}.schema_migrations FINAL").result_rows
    return {int(version): str(checksum) for version, checksum in rows}


def _comment_columns(client: Any) -> None:
    """Write the schemas' sentences to the tables' columns, where they differ."""
    rows = client.query("SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()").result_rows
    comments = {(table, name): comment for table, name, comment in rows}
    for record in RECORDS:
        table = f"{record.name}_data"
        changes = [
            f"COMMENT COLUMN {field.name} {_quote(field.doc)}"
            for field in record.fields
            if comments.get((table, field.name), field.doc) != field.doc
        ]
        if changes:
            client.command(f"ALTER TABLE {table} {', '.join(changes)}")


def _statements(sql: str) -> list[str]:
    from jobs.stack.store.statement import split_statements

    return split_statements(sql)


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def _in_database(client: Any, database: str | None) -> Iterator[None]:
    """Point a client at a database for a while; None = at none, for what must work before the database exists."""
    before, client.database = client.database, database
    try:
        yield
    finally:
        client.database = before


@contextmanager
def _told_in_one_line(action: str) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import Error

    try:
        yield
    except Error as error:
        detail = " ".join(str(error).split())[:400]
        raise StoreError(f"cannot {action}: {detail}", "see that ClickHouse runs and that the user may create tables") from error
