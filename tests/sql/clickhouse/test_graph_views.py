"""The service graph and the journeys over rows written as literals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from jobs.config import ClickHouseConfig
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.event import EVENT
from schemas.record import Record
from schemas.transaction import TRANSACTION

Query = Callable[[str], list[tuple[Any, ...]]]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_SHOWN = NOON.replace(tzinfo=None)  # what the client makes of a UTC time


def _insert(config: ClickHouseConfig, record: Record, rows: list[dict[str, Any]]) -> None:
    blank = {pa.string(): "", pa.bool_(): False, pa.int32(): 0, pa.int64(): 0, pa.uint64(): 0}
    zeros = {f.name: blank.get(f.arrow, [] if pa.types.is_list(f.arrow) else None) for f in record.fields if "Nullable" not in f.clickhouse}
    times = {f.name: NOON for f in record.fields if pa.types.is_timestamp(f.arrow) and "Nullable" not in f.clickhouse}
    made = [{**zeros, **times, "offset": number, **row} for number, row in enumerate(rows)]
    made = [{name: row[name] for name in record.names if name in row} for row in made]
    ClickHouseSink(config).insert(record, pa.Table.from_pylist(made, schema=record.arrow))


def _transaction(ident: str, **fields: Any) -> dict[str, Any]:
    same = {"transaction_id": ident, "environment": "prod", "root_service": "front", "duration_ms": 30.0, "event_count": 1}
    return {**same, **fields}


def _span(service: str, span_id: str, parent: str = "", **fields: Any) -> dict[str, Any]:
    same = {"kind": "span", "environment": "prod", "transaction_id": "t", "timestamp": NOON, "duration_ms": 5.0, "span_kind": "server"}
    return {**same, "service_name": service, "span_id": span_id, "parent_span_id": parent, **fields}


def test_edges_count_calls_errors_and_time_of_the_latest_revision(fresh_database: ClickHouseConfig, sql: Query) -> None:
    calls = {"calls": ["front>cart"], "call_error_counts": [1], "root_span_id": "a", "span_count": 2}
    _insert(fresh_database, TRANSACTION, [_transaction("t", **calls, call_counts=[2], call_duration_ms=[10.0], revision=1)])
    late = _transaction("t", **calls, call_counts=[3], call_duration_ms=[18.0], revision=2, event_count=2)
    _insert(fresh_database, TRANSACTION, [late, late])
    _insert(fresh_database, TRANSACTION, [_transaction("u", started_at=NOON + timedelta(minutes=5), calls=["front>cart"])])
    columns = "time, caller, callee, virtual_node, call_count, error_count, duration_ms"
    assert sql(f"SELECT {columns} FROM service_graph WHERE caller = 'front' ORDER BY time") == [
        (_SHOWN, "front", "cart", "", 3, 1, 6.0),
        (_SHOWN + timedelta(minutes=5), "front", "cart", "", 1, 0, 0.0),  # written before calls were counted
    ]
    assert sql("SELECT caller, first_seen_at, last_seen_at, call_count FROM service_edges WHERE callee = 'cart'") == [
        ("front", _SHOWN, _SHOWN + timedelta(minutes=5), 4)
    ]


def test_who_calls_without_sending_logs_is_a_virtual_node(fresh_database: ClickHouseConfig, sql: Query) -> None:
    outside = _transaction("t", root_span_id="a", span_count=1, is_error=True)
    lost = _transaction("u", span_count=1, orphan_kind="uninstrumented_caller")
    _insert(fresh_database, TRANSACTION, [outside, lost, _transaction("v")])
    assert sql("SELECT caller, callee, virtual_node, call_count, error_count FROM service_graph ORDER BY caller") == [
        ("(not instrumented)", "front", "caller", 1, 0),
        ("(outside)", "front", "caller", 2, 1),
    ]


def test_an_address_whose_client_spans_nobody_answers_is_a_virtual_node(fresh_database: ClickHouseConfig, sql: Query) -> None:
    asks = {"span_kind": "client"}
    _insert(
        fresh_database,
        EVENT,
        [
            _span("front", "a"),
            _span("front", "b", "a", **asks, server_address="cart.svc"),
            _span("cart", "c", "b"),
            _span("front", "d", "a", **asks, server_address="db.example", error_category="timeout", duration_ms=9.0),
            _span("front", "d", "a", **asks, server_address="db.example", is_duplicate=True),
            _span("front", "e", "a", **asks, span_name="SELECT"),
            _span("front", "f", "a", **asks, server_address="cart.svc", transaction_id="u"),
            _span("cart", "g", "f", transaction_id="u"),
            _span("front", "h", "a", **asks, server_address="cart.svc", transaction_id="v"),  # its answer was dropped
        ],
    )
    assert sql("SELECT caller, callee, virtual_node, call_count, error_count, duration_ms FROM service_graph ORDER BY callee") == [
        ("front", "(behind front)", "callee", 1, 0, 5.0),
        ("front", "db.example", "callee", 1, 1, 9.0),
    ]


def test_a_journey_is_the_requests_of_one_client_until_half_an_hour_of_rest(fresh_database: ClickHouseConfig, sql: Query) -> None:
    def request(number: int, minute: int, route: str, **fields: Any) -> dict[str, Any]:
        same = {"kind": "access", "environment": "prod", "service_name": "shop", "http_request_method": "GET", "http_route": route}
        return {**same, "transaction_id": f"t{number}", "timestamp": NOON + timedelta(minutes=minute), "user_id": "ann", **fields}

    _insert(
        fresh_database,
        EVENT,
        [
            request(1, 0, "/login"),
            request(2, 2, "/list"),
            request(3, 3, "/checkout", error_category="backend"),
            request(4, 40, "/login"),
            request(5, 1, "/login", user_id="", client_address="10.0.0.7", user_agent_original="curl/8"),
            request(6, 2, "/list", user_id="", client_address="10.0.0.7", user_agent_original="curl/8"),
            request(6, 2, "/stock", service_name="stock", user_id="", client_address="10.0.0.1", parent_span_id="x"),  # deeper hop
            request(7, 2, "/other", user_id=""),  # nobody
        ],
    )
    steps = sql("SELECT client, session_started_at, step_number, step, next_step, is_error FROM journey_steps ORDER BY client DESC, time")
    assert steps == [
        ("ann", _SHOWN, 1, "shop GET /login", "shop GET /list", False),
        ("ann", _SHOWN, 2, "shop GET /list", "shop GET /checkout", False),
        ("ann", _SHOWN, 3, "shop GET /checkout", "", True),
        ("ann", _SHOWN + timedelta(minutes=40), 1, "shop GET /login", "", False),
        ("10.0.0.7 curl/8", _SHOWN + timedelta(minutes=1), 1, "shop GET /login", "shop GET /list", False),
        ("10.0.0.7 curl/8", _SHOWN + timedelta(minutes=1), 2, "shop GET /list", "", False),
    ]
    paths = "SELECT next_step, transition_count, client_count, round(share, 2), seconds_to_next FROM journeys"
    assert sql(f"{paths} WHERE step = 'shop GET /login' ORDER BY next_step") == [
        ("", 1, 1, 0.33, None),
        ("shop GET /list", 2, 2, 0.67, 90.0),
    ]
