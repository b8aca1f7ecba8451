"""Every panel's and variable's SQL, expanded as Grafana does it, on real rows in the real store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from jobs.dashboards import DASHBOARDS
from tests.dashboards import world
from tests.dashboards.grafana_query import ALL, Range, expand

_START_MS = int(world.START.timestamp() * 1000)
_TIME = Range(_START_MS - 60_000, _START_MS + 3_660_000, 60_000)
_DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}
_CHOSEN: dict[str, Any] = {
    "environment": ["prod"],
    "service": ["orders"],
    "route": ["orders GET /it's/{odd}", "orders POST /orders"],
    "width": "60",
    "entity_kind": "service",
    "entity": "orders",
    "metric": "request_rate",
    "score_width": "60",
    "outcome": "error",
    "search": "app-1",
    "id": world.TRANSACTION_ID,
    "reason": ["invalid_json"],
    "topic": ["raw"],
}
_UNCHOSEN: dict[str, Any] = _CHOSEN | {name: ALL for name, v in _CHOSEN.items() if isinstance(v, list)} | {"outcome": "any", "search": ""}
_OPTIONS = {name: value for name, value in _CHOSEN.items() if isinstance(value, list)}

Query = Callable[[str], pa.Table]


@pytest.fixture(scope="module")
def query() -> Iterator[Query]:
    from chdb import session

    store = session.Session()
    store.query("CREATE DATABASE anomasec; USE anomasec")
    for migration in sorted((DASHBOARDS.parent / "sql" / "clickhouse").glob("*.sql")):
        store.query(migration.read_text())
    for name, table in world.rows().items():  # chDB finds `table` by its name
        assert table.num_rows
        store.query(f"INSERT INTO anomasec.{name}_data SELECT * FROM Python(table)")
    yield lambda sql: store.query(sql, "ArrowTable")
    store.close()


def _panels() -> list[Any]:
    return [pytest.param(p, id=f"{name}-{p['title']}") for name, d in _DASHBOARDS.items() for p in d["panels"]]


def _variables() -> list[Any]:
    return [
        pytest.param(v, id=f"{name}-{v['name']}")
        for name, d in _DASHBOARDS.items()
        for v in d["templating"]["list"]
        if v["type"] == "query"
    ]


@pytest.mark.parametrize("chosen", [_CHOSEN, _UNCHOSEN], ids=["chosen", "all"])
@pytest.mark.parametrize("panel", _panels())
def test_a_panel_gets_the_columns_its_type_draws_and_at_least_one_row(query, panel, chosen):
    table = query(expand(panel["targets"][0]["rawSql"], chosen, _OPTIONS, _TIME))
    assert table.num_rows > 0
    _CHECKS[panel["type"]](table, panel)


@pytest.mark.parametrize("variable", _variables())
def test_a_variable_lists_values_and_its_default_is_one_of_them(query, variable):
    for chosen in (_CHOSEN, _UNCHOSEN):
        table = query(expand(variable["query"]["rawSql"], chosen, _OPTIONS, _TIME))
        assert table.num_columns == 1
        assert table.num_rows > 0
    default = variable["current"].get("value")
    if isinstance(default, str) and default:
        assert default in [str(v) for v in table.column(0).to_pylist()]


def test_a_value_with_a_quote_finds_its_rows(query):
    sql = next(p for p in _DASHBOARDS["endpoints"]["panels"] if p["title"] == "Endpoints")["targets"][0]["rawSql"]
    table = query(expand(sql, _CHOSEN | {"route": ["orders GET /it's/{odd}"]}, _OPTIONS, _TIME))
    assert table["route"].to_pylist() == ["orders GET /it's/{odd}"]


def test_the_waterfall_holds_each_step_once_and_hangs_access_lines_under_the_root(query):
    panel = next(p for p in _DASHBOARDS["transaction"]["panels"] if p["type"] == "traces")
    steps = query(expand(panel["targets"][0]["rawSql"], _CHOSEN, _OPTIONS, _TIME)).to_pylist()
    assert [(s["serviceName"], s["spanID"], s["parentSpanID"]) for s in steps] == [
        ("gateway", "a", ""),
        ("orders", "b", "a"),
        ("orders", "raw/0/0/2", "a"),
    ]
    assert [round(s["startTime"] - steps[0]["startTime"], 3) for s in steps] == [0, 5, 6]


@pytest.mark.parametrize("panel", [pytest.param(p, id=p["title"]) for p in _DASHBOARDS["transaction"]["panels"]])
def test_a_request_id_finds_the_same_as_the_transaction_id(query, panel):
    sql = panel["targets"][0]["rawSql"]
    assert query(expand(sql, _CHOSEN, _OPTIONS, _TIME)).equals(query(expand(sql, _CHOSEN | {"id": "r-0"}, _OPTIONS, _TIME)))


def _is_time(column: pa.ChunkedArray) -> bool:
    return pa.types.is_timestamp(column.type) or pa.types.is_uint32(column.type)  # DateTime arrives as uint32


def _numbers(table: pa.Table) -> list[str]:
    return [f.name for f in table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]


def _check_timeseries(table: pa.Table, panel: dict[str, Any]) -> None:
    assert _is_time(table.column(0)), "the first column is the time"
    times = table.column(0).to_pylist()
    assert times == sorted(times), "Grafana turns long rows into series only when they are in time order"
    labels = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
    assert labels in ([], ["series"])
    assert set(_numbers(table)) - {table.column_names[0]}
    if labels:
        assert panel["fieldConfig"]["defaults"]["displayName"] == "${__field.labels.series}"
        assert len(set(zip(times, table["series"].to_pylist(), strict=True))) == len(times), "one value per time and series"
    values = [v for name in table.column_names[1:] if name != "series" for v in table[name].to_pylist()]
    assert any(v is not None for v in values)
    assert all(v is None or v == v for v in values), "no NaN"


def _check_stat(table: pa.Table, panel: dict[str, Any]) -> None:
    assert table.num_rows == 1
    assert _numbers(table) == table.column_names


def _check_table(table: pa.Table, panel: dict[str, Any]) -> None:
    named = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
    used = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel["fieldConfig"])))
    assert named | used <= set(table.column_names), "every override and link names a column that is there"


def _check_traces(table: pa.Table, panel: dict[str, Any]) -> None:
    assert table.column_names == [
        "traceID", "spanID", "parentSpanID", "serviceName", "operationName", "startTime", "duration", "tags", "serviceTags",
    ]  # fmt: skip
    assert len(set(table["traceID"].to_pylist())) == 1
    assert len(set(table["spanID"].to_pylist())) == table.num_rows
    assert {key for tag in table["tags"].to_pylist() for pairs in tag for key, _ in pairs} == {"key", "value"}


def _check_logs(table: pa.Table, panel: dict[str, Any]) -> None:
    assert table.column_names[:3] == ["timestamp", "body", "level"]


def _check_barchart(table: pa.Table, panel: dict[str, Any]) -> None:
    assert len(table.column_names) == 2
    assert _numbers(table) == [table.column_names[1]]


_CHECKS: dict[str, Callable[[pa.Table, dict[str, Any]], None]] = {
    "timeseries": _check_timeseries,
    "stat": _check_stat,
    "table": _check_table,
    "traces": _check_traces,
    "logs": _check_logs,
    "barchart": _check_barchart,
}
