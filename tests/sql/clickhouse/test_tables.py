"""The tables and views of a migrated store against the schemas, and what their rows do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig
from jobs.migrate import INTERNAL_COLUMNS, RECORDS, RETENTION_COLUMNS, VIEWS
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.event import EVENT
from schemas.point import ANOMALY, INCIDENT, POINT, SCORE
from schemas.record import Field, Record
from schemas.transaction import MERGE, TRANSACTION

Query = Callable[[str], list[tuple[Any, ...]]]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_INSTANT = datetime(2026, 3, 2, 12, 34, 56, 789_000, tzinfo=UTC)


def _value(field: Field, variant: int) -> Any:
    """A value of the field's type: an ordinary one (0), an extreme (1), null or zero (2)."""
    kind = field.arrow
    if field.name == "merged_into":
        return ""  # rows that have it are not shown
    if pa.types.is_timestamp(kind):
        return [_INSTANT, datetime(2106, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)][variant]
    if pa.types.is_boolean(kind):
        return [True, True, False][variant]
    if pa.types.is_floating(kind):
        return [1.5, -1.7976931348623157e308, None][variant]
    if pa.types.is_integer(kind):
        bits = kind.bit_width
        largest = 2**bits - 1 if pa.types.is_unsigned_integer(kind) else 2 ** (bits - 1) - 1
        return [7, largest, None if "Nullable" in field.clickhouse else 0][variant]
    if pa.types.is_list(kind) and not pa.types.is_string(kind.value_type):
        return [[1, 2], [-1, 0], []][variant]
    if pa.types.is_list(kind):
        return [["a", "b>c"], ["", "ż\t'\"\\\n🙂"], []][variant]
    if pa.types.is_binary(kind):
        return [b"bytes", bytes(range(256)), b""][variant]
    return ["text", "ż\t'\"\\\n🙂\x00" + "x" * 5000, None][variant]


def _table(record: Record, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{**dict.fromkeys(record.names), **row} for row in rows], schema=record.arrow)


def _like(record: Record, **values: Any) -> dict[str, Any]:
    return {**{field.name: _value(field, 0) for field in record.fields}, **values}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_table_has_the_columns_of_the_schema(store: ClickHouseConfig, record: Record) -> None:
    client = store.client()
    stored = client.query(
        "SELECT name, type, comment FROM system.columns"
        " WHERE database = {d:String} AND table = {t:String} AND default_kind = '' ORDER BY position",
        parameters={"d": store.database, "t": f"{record.name}_data"},
    ).result_rows
    assert [tuple(row) for row in stored] == [(field.name, field.clickhouse, field.doc) for field in record.fields]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_table_replaces_by_identity_and_revision(store: ClickHouseConfig, record: Record) -> None:
    client = store.client()
    engine, key, partition = client.query(
        "SELECT engine_full, sorting_key, partition_key FROM system.tables WHERE database = {d:String} AND name = {t:String}",
        parameters={"d": store.database, "t": f"{record.name}_data"},
    ).result_rows[0]
    assert tuple(key.strip("()").split(", ")) == record.order_by
    assert set(record.identity) <= set(record.order_by)
    by = "version" if record.name in ("transactions", "points", "scores", "anomalies", "incidents") else "revision"
    assert engine.startswith(f"ReplacingMergeTree({by})" if "revision" in record.names else "ReplacingMergeTree ")
    # Rows of one identity must share a partition, or they never replace each other.
    inputs = [name for name in record.names if name in partition]
    fixed = {*record.identity, *(["arrived_at"] if "offset" in record.identity else [])}
    assert set(inputs) <= fixed


@pytest.mark.parametrize("name", VIEWS)
def test_view_has_the_columns_of_the_schema_without_internal_ones(store: ClickHouseConfig, name: str) -> None:
    client = store.client()
    described = client.query(f"DESCRIBE TABLE {name}").result_rows
    wanted = [(field.name, field.clickhouse) for field in VIEWS[name].fields if field.name not in INTERNAL_COLUMNS]
    assert [(row[0], row[1]) for row in described] == wanted


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_rows_come_back_as_they_went_in(fresh_database: ClickHouseConfig, record: Record) -> None:
    rows = [{field.name: _value(field, variant) for field in record.fields} for variant in (0, 1, 2)]
    for number, row in enumerate(rows):
        row.update({"is_anomaly": True} if record is ANOMALY else {}, **{record.identity[0]: f"id {number}"})
    ClickHouseSink(fresh_database).insert(record, _table(record, rows))

    columns = [field for field in record.fields if field.name not in INTERNAL_COLUMNS]
    client = fresh_database.client()
    stored = client.query_arrow(f"SELECT * FROM {record.name} ORDER BY {record.identity[0]}", use_strings=False).to_pylist()
    assert len(stored) == 3
    for field in columns:
        wanted = [row[field.name] for row in rows]
        if pa.types.is_string(field.arrow):
            wanted = [(value or "").encode() for value in wanted]
        elif pa.types.is_list(field.arrow) and pa.types.is_string(field.arrow.value_type):
            wanted = [[part.encode() for part in value] for value in wanted]
        got = [row[field.name] for row in stored]
        if pa.types.is_list(field.arrow) and pa.types.is_string(field.arrow.value_type):
            got = [[part if isinstance(part, bytes) else part.encode() for part in value] for value in got]
        elif pa.types.is_string(field.arrow) or pa.types.is_binary(field.arrow):
            got = [part if isinstance(part, bytes) else part.encode() for part in got]
        assert got == wanted, field.name


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_the_same_batch_inserted_twice_counts_once(fresh_database: ClickHouseConfig, sql: Query, record: Record) -> None:
    batch = _table(record, [_like(record, **{record.identity[-1]: _nth(record.fields, record.identity[-1], n)}) for n in range(50)])
    sink = ClickHouseSink(fresh_database)
    for _ in range(3):
        sink.insert(record, batch)
    # Within one insert, too: rows are not collapsed on insert.
    sink.insert(record, pa.concat_tables([batch, batch]))
    assert sql(f"SELECT count() FROM {record.name}") == [(50,)]


def _nth(fields: tuple[Field, ...], name: str, number: int) -> Any:
    field = next(f for f in fields if f.name == name)
    if pa.types.is_timestamp(field.arrow):
        return NOON + timedelta(days=number)
    return f"id {number}" if pa.types.is_string(field.arrow) else number


@pytest.mark.parametrize("record", [r for r in RECORDS if "revision" in r.names], ids=lambda record: record.name)
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_the_highest_revision_wins_in_any_order(
    fresh_database: ClickHouseConfig, sql: Query, record: Record, order: tuple[int, ...]
) -> None:
    sink = ClickHouseSink(fresh_database)
    other_time = next(f.name for f in reversed(record.fields) if pa.types.is_timestamp(f.arrow))
    for revision in order:
        # All that is no identity may change, times included.
        sink.insert(record, _table(record, [_like(record, revision=revision, **{other_time: NOON + timedelta(days=40 * revision)})]))
    assert sql(f"SELECT revision FROM {record.name}") == [(3,)]
    sql(f"OPTIMIZE TABLE {record.name}_data FINAL")
    assert sql(f"SELECT revision FROM {record.name}_data") == [(3,)]


def test_withdrawn_anomalies_are_not_shown(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sink = ClickHouseSink(fresh_database)
    sink.insert(ANOMALY, _table(ANOMALY, [_like(ANOMALY, anomaly_id=name, revision=1) for name in ("stays", "goes")]))
    sink.insert(ANOMALY, _table(ANOMALY, [_like(ANOMALY, anomaly_id="goes", revision=2, is_anomaly=False)]))
    assert sql("SELECT anomaly_id FROM anomalies") == [("stays",)]


def test_merged_incidents_are_not_shown(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sink = ClickHouseSink(fresh_database)
    sink.insert(INCIDENT, _table(INCIDENT, [_like(INCIDENT, incident_id=name, status="open", revision=1) for name in ("old", "young")]))
    sink.insert(INCIDENT, _table(INCIDENT, [_like(INCIDENT, incident_id="young", status="merged", revision=2)]))
    assert sql("SELECT incident_id FROM incidents") == [("old",)]


def test_scores_keep_points_that_are_not_anomalous(fresh_database: ClickHouseConfig, sql: Query) -> None:
    ClickHouseSink(fresh_database).insert(SCORE, _table(SCORE, [_like(SCORE, score=None, is_anomaly=False)]))
    assert sql("SELECT score, is_anomaly FROM scores") == [(None, False)]


def test_service_calls_count_the_calls_of_transactions(fresh_database: ClickHouseConfig, sql: Query) -> None:
    rows = [
        _like(TRANSACTION, transaction_id="1", calls=["web>api", "api>db"], started_at=NOON, environment="prod", is_error=True),
        _like(TRANSACTION, transaction_id="2", calls=["web>api"], started_at=NOON + timedelta(seconds=59), environment="prod"),
        _like(TRANSACTION, transaction_id="3", calls=[], started_at=NOON, environment="prod", is_error=False),
    ]
    rows[1]["is_error"] = False
    ClickHouseSink(fresh_database).insert(TRANSACTION, _table(TRANSACTION, rows))
    got = sql("SELECT caller, callee, transaction_count, error_transaction_count FROM service_calls ORDER BY caller DESC")
    assert got == [("web", "api", 2, 1), ("api", "db", 1, 1)]


def test_an_insert_over_many_days_is_taken(fresh_database: ClickHouseConfig, sql: Query) -> None:
    rows = [_like(EVENT, offset=number, arrived_at=NOON - timedelta(days=number), timestamp=NOON) for number in range(150)]
    ClickHouseSink(fresh_database).insert(EVENT, _table(EVENT, rows))
    assert sql("SELECT count(), uniq(toDate(arrived_at)) FROM events") == [(150, 150)]


def test_retention_counts_from_a_time_of_every_record() -> None:
    assert {name: column in VIEWS[name].names for name, column in RETENTION_COLUMNS.items()} == {record.name: True for record in RECORDS}


def test_the_row_that_rests_on_more_events_wins_over_one_of_a_higher_revision(fresh_database: ClickHouseConfig) -> None:
    """After a restart the same events may come to their end in fewer amendments."""
    sink = ClickHouseSink(fresh_database)
    for record, count in ((TRANSACTION, "event_count"), (POINT, "weight"), (SCORE, "weight")):
        identity = {"transaction_id": "f" * 32} if record is TRANSACTION else {"entity": "more-events-win", "time": 0}
        for revision, events in ((5, 2), (2, 3)):
            row = {"revision": revision, count: events, **identity}
            table = pa.table({name: pa.array([value]).cast(record.arrow.field(name).type) for name, value in row.items()})
            sink.insert(record, record.conform(table))
        (name, value) = next(iter(identity.items()))
        rows = fresh_database.client().query(f"SELECT revision FROM {record.name} WHERE {name} = {value!r}").result_rows
        assert rows == [(2,)], record.name


def test_what_was_told_later_wins_over_what_was_told_in_more_steps(fresh_database: ClickHouseConfig, sql: Query) -> None:
    """A restarted job may come to the same end with fewer revisions; what rests on more events wins over both."""
    sink = ClickHouseSink(fresh_database)
    for record, name in ((ANOMALY, "anomaly_id"), (INCIDENT, "incident_id")):
        for revision, told in ((7, NOON), (3, NOON + timedelta(seconds=30))):
            row = {name: "one", "revision": revision, "told_at": told, "weight": 5.0}
            sink.insert(record, _table(record, [_like(record, **{k: v for k, v in row.items() if k in record.names})]))
        assert sql(f"SELECT revision FROM {record.name}") == [(3,)], record.name
    sink.insert(ANOMALY, _table(ANOMALY, [_like(ANOMALY, anomaly_id="one", revision=1, told_at=NOON, weight=6.0)]))
    assert sql("SELECT revision FROM anomalies") == [(1,)]


def test_events_of_a_trace_move_to_the_request_that_owns_it(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sink = ClickHouseSink(fresh_database)
    ids = [("t", ""), ("t", ""), ("t", "r"), ("other", "")]
    events = [
        _like(EVENT, offset=number, trace_id=trace, request_id=request, transaction_id=request or trace)
        for number, (trace, request) in enumerate(ids)
    ]
    sink.insert(EVENT, _table(EVENT, events))
    merge = _like(MERGE, trace_id="t", merged_into="r", merged_hash=5)
    sink.insert(MERGE, _table(MERGE, [merge]))
    sink.insert(MERGE, _table(MERGE, [merge]))
    assert sql("SELECT offset, transaction_id FROM events ORDER BY offset") == [(0, "r"), (1, "r"), (2, "r"), (3, "other")]
    same = [field.name for field in EVENT.fields if field.name not in ("transaction_id", "transaction_hash", "offset")]
    assert sql(f"SELECT count() FROM (SELECT DISTINCT {', '.join(set(same) - {'trace_id', 'request_id'})} FROM events)") == [(1,)]


def test_a_transaction_that_was_merged_is_not_shown(fresh_database: ClickHouseConfig, sql: Query) -> None:
    sink = ClickHouseSink(fresh_database)
    sink.insert(TRANSACTION, _table(TRANSACTION, [_like(TRANSACTION, transaction_id="t", revision=2, merged_into="r")]))
    sink.insert(TRANSACTION, _table(TRANSACTION, [_like(TRANSACTION, transaction_id="t", revision=1)]))
    assert sql("SELECT count() FROM transactions") == [(0,)]
