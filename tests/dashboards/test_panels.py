"""Every panel's and variable's SQL, expanded as Grafana does it, on real rows in the real store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from jobs.config import ClickHouseConfig
from jobs.dashboards import DASHBOARDS, VIEWS
from jobs.migrate import migrate
from jobs.sinks.clickhouse import ClickHouseSink
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
    "series_environment": "prod",
    "outcome": "error",
    "search": "app-1",
    "id": world.TRANSACTION_ID,
    "reason": ["invalid_json"],
    "topic": ["raw"],
}
_UNCHOSEN: dict[str, Any] = _CHOSEN | {name: ALL for name, v in _CHOSEN.items() if isinstance(v, list)} | {"outcome": "any", "search": ""}
_OPTIONS = {name: value for name, value in _CHOSEN.items() if isinstance(value, list)}


@dataclass(frozen=True)
class Answer:
    """Columns as they come in ClickHouse's Native format, which the data source reads too."""

    names: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        position = self.names.index(name)
        return [row[position] for row in self.rows]

    def of_type(self, pattern: str) -> list[str]:
        """Names of the columns whose type, without Nullable and LowCardinality, fits."""
        return [n for n, t in zip(self.names, self.types, strict=True) if re.match(pattern, re.sub(r"(Nullable|LowCardinality)\(", "", t))]


Query = Callable[[str], Answer]


@pytest.fixture(scope="module")
def query(store: ClickHouseConfig) -> Iterator[Query]:
    config = replace(store, database="dashboards")
    client = config.client(database=None)
    migrate(client, config.database)
    sink = ClickHouseSink(config)
    for name, table in world.rows().items():
        assert sink.insert(VIEWS[name], table) > 0
    sink.close()

    def ask(sql: str) -> Answer:
        # `limit` is what the data source sends with each query: Grafana's row limit.
        result = reader.query(sql, settings={"limit": 1_000_000})
        return Answer(list(result.column_names), [t.name for t in result.column_types], [tuple(row) for row in result.result_rows])

    reader = config.client()
    yield ask
    reader.close()
    client.command(f"DROP DATABASE {config.database}")
    client.close()


def _panels() -> list[Any]:
    return [pytest.param(p, id=f"{name}-{p['title']}") for name, d in _DASHBOARDS.items() for p in d["panels"]]


def _variables() -> list[Any]:
    found = [(name, v) for name, d in _DASHBOARDS.items() for v in d["templating"]["list"] if v["type"] == "query"]
    return [pytest.param(v, id=f"{name}-{v['name']}") for name, v in found]


def _sql(panel: dict[str, Any], variables: dict[str, Any]) -> str:
    return expand(panel["targets"][0]["rawSql"], variables, _OPTIONS, _TIME)


@pytest.mark.parametrize("chosen", [_CHOSEN, _UNCHOSEN], ids=["chosen", "all"])
@pytest.mark.parametrize("panel", _panels())
def test_a_panel_gets_the_columns_its_type_draws_and_at_least_one_row(query: Query, panel: dict[str, Any], chosen: dict[str, Any]) -> None:
    answer = query(_sql(panel, chosen))
    assert answer.rows
    _CHECKS[panel["type"]](answer, panel)


@pytest.mark.parametrize("variable", _variables())
def test_a_variable_lists_values_and_its_default_is_one_of_them(query: Query, variable: dict[str, Any]) -> None:
    for chosen in (_CHOSEN, _UNCHOSEN):
        answer = query(expand(variable["query"]["rawSql"], chosen, _OPTIONS, _TIME))
        assert answer.of_type("String") == answer.names, "Grafana compares values as text"
        assert len(answer.names) == 1
        assert answer.rows
    default = variable["current"].get("value")
    if isinstance(default, str) and default:
        assert (default,) in answer.rows


def test_a_value_with_a_quote_finds_its_rows(query: Query) -> None:
    panel = next(p for p in _DASHBOARDS["endpoints"]["panels"] if p["title"] == "Endpoints")
    answer = query(_sql(panel, _CHOSEN | {"route": ["orders GET /it's/{odd}"]}))
    assert answer.column("route") == ["orders GET /it's/{odd}"]


def test_the_waterfall_holds_each_step_once_and_hangs_access_lines_under_the_span_around_them(query: Query) -> None:
    panel = next(p for p in _DASHBOARDS["transaction"]["panels"] if p["type"] == "traces")
    answer = query(_sql(panel, _CHOSEN))
    steps = zip(*(answer.column(name) for name in ("serviceName", "spanID", "parentSpanID")), strict=True)
    assert list(steps) == [("gateway", "a", ""), ("orders", "b", "a"), ("orders", "raw/0/0/2", "b")]
    inferred = [any(tag == {"key": "is_inferred", "value": "true"} for tag in tags) for tags in answer.column("tags")]
    assert inferred == [False, False, True]
    starts = answer.column("startTime")
    assert [round(start - starts[0], 3) for start in starts] == [0, 5, 6]
    assert starts[0] == _START_MS


@pytest.mark.parametrize("chosen", [_CHOSEN, _UNCHOSEN], ids=["chosen", "all"])
def test_the_service_graph_has_both_ends_of_every_edge_among_its_nodes(query: Query, chosen: dict[str, Any]) -> None:
    panel = next(p for p in _DASHBOARDS["service-graph"]["panels"] if p["type"] == "nodeGraph")
    nodes, edges = (query(expand(target["rawSql"], chosen, _OPTIONS, _TIME)) for target in panel["targets"])
    assert [target["refId"] for target in panel["targets"]] == ["nodes", "edges"]
    assert edges.names[:5] == ["id", "source", "target", "mainstat", "secondarystat"]
    assert {"prod gateway>orders"} <= set(edges.column("id"))
    assert {*edges.column("source"), *edges.column("target")} == set(nodes.column("id"))
    assert edges.of_type(_NUMBER_TYPE) == ["mainstat", "secondarystat", "thickness", "detail__failed"]


@pytest.mark.parametrize("panel", [pytest.param(p, id=p["title"]) for p in _DASHBOARDS["transaction"]["panels"]])
def test_a_request_id_finds_the_same_as_the_transaction_id(query: Query, panel: dict[str, Any]) -> None:
    assert query(_sql(panel, _CHOSEN)) == query(_sql(panel, _CHOSEN | {"id": "r-0"}))


def test_failed_transactions_are_found_by_route_outcome_and_caller(query: Query) -> None:
    panel = next(p for p in _DASHBOARDS["transactions"]["panels"] if p["type"] == "table")
    answer = query(_sql(panel, _CHOSEN))
    assert set(answer.column("outcome")) == {"backend", "timeout"}
    assert not query(_sql(panel, _CHOSEN | {"search": "nobody"})).rows
    assert len(query(_sql(panel, _UNCHOSEN)).rows) == 120


def test_rates_add_up_over_environments_and_average_over_windows(query: Query) -> None:
    panel = next(p for p in _DASHBOARDS["overview"]["panels"] if p["title"] == "Request rate by service")
    sql = expand(panel["targets"][0]["rawSql"], _UNCHOSEN, _OPTIONS, replace(_TIME, interval_ms=300_000))
    answer = query(sql)
    staged = 1.0
    assert answer.column("per_second") == pytest.approx([2 * (1 + 1.1 + 1.2 + 1 + 1.1) / 5 + staged] * 2)


def test_the_band_of_one_environment_holds_no_value_of_another(query: Query) -> None:
    panel = next(p for p in _DASHBOARDS["anomalies"]["panels"] if p["type"] == "timeseries")
    prod, staging = (query(_sql(panel, _CHOSEN | {"series_environment": name})) for name in ("prod", "staging"))
    assert set(prod.column("value")) == {2.0, 9.0}
    assert set(staging.column("value")) == {500.0}


def test_error_categories_are_shares_of_all_requests_though_they_have_points_only_while_they_occur(query: Query) -> None:
    panel = next(p for p in _DASHBOARDS["endpoints"]["panels"] if p["title"] == "Errors by category")
    answer = query(expand(panel["targets"][0]["rawSql"], _UNCHOSEN, _OPTIONS, replace(_TIME, interval_ms=300_000)))
    shares = dict(zip(answer.column("series"), answer.column("share"), strict=True))
    assert shares["timeout"] == pytest.approx(0.02 / 5), "one window of five"
    assert shares["backend"] == pytest.approx(0.03 * (1 + 1.1 + 1.2 + 1 + 1.1) / 5)


def test_the_store_answers_as_the_data_source_asks_over_http(query: Query, store: ClickHouseConfig) -> None:
    """Its driver greets with this query, and wants Native blocks, compressed by gzip."""
    options = {"default_format": "Native", "client_protocol_version": "54460", "enable_http_compression": "1", "limit": "1000000"}
    for sql in ("SELECT displayName(), version(), revision(), timezone()", "SELECT count() FROM transactions"):
        answer = requests.post(
            store.url,
            params={"database": "dashboards", **options},
            data=sql,
            auth=("default", ""),
            headers={"Accept-Encoding": "gzip"},
            timeout=10,
        )
        assert answer.status_code == 200
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["X-ClickHouse-Format"] == "Native"
        assert len(answer.content) > 10


_TIME_TYPE = r"DateTime"
_NUMBER_TYPE = r"U?Int|Float"


def _check_timeseries(answer: Answer, panel: dict[str, Any]) -> None:
    assert answer.names[0] in answer.of_type(_TIME_TYPE), "the first column is the time"
    times = answer.column(answer.names[0])
    assert times == sorted(times), "Grafana turns long rows into series only when they are in time order"
    labels = answer.of_type("String")
    assert labels in ([], ["series"])
    numbers = answer.of_type(_NUMBER_TYPE)
    assert numbers
    if labels:
        assert panel["fieldConfig"]["defaults"]["displayName"] == "${__field.labels.series}"
        assert len(set(zip(times, answer.column("series"), strict=True))) == len(times), "one value per time and series"
    values = [value for name in numbers for value in answer.column(name)]
    assert any(value is not None for value in values)
    assert all(value is None or math.isfinite(value) for value in values)


def _check_stat(answer: Answer, panel: dict[str, Any]) -> None:
    assert len(answer.rows) == 1
    assert answer.of_type(_NUMBER_TYPE) == answer.names


def _check_table(answer: Answer, panel: dict[str, Any]) -> None:
    named = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
    used = set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel["fieldConfig"])))
    assert named | used <= set(answer.names), "every override and link names a column that is there"


def _check_traces(answer: Answer, panel: dict[str, Any]) -> None:
    assert answer.names == [
        "traceID", "spanID", "parentSpanID", "serviceName", "operationName", "startTime", "duration", "tags", "serviceTags",
    ]  # fmt: skip
    assert len(set(answer.column("traceID"))) == 1
    assert len(set(answer.column("spanID"))) == len(answer.rows)
    assert answer.of_type(r"Array\(Map\(String, String") == ["tags", "serviceTags"]
    assert all(set(pair) == {"key", "value"} for tags in answer.column("tags") for pair in tags)


def _check_logs(answer: Answer, panel: dict[str, Any]) -> None:
    assert answer.names[:3] == ["timestamp", "body", "level"]


def _check_barchart(answer: Answer, panel: dict[str, Any]) -> None:
    assert answer.of_type("String") == answer.names[:1]
    assert answer.of_type(_NUMBER_TYPE) == answer.names[1:]


def _check_node_graph(answer: Answer, panel: dict[str, Any]) -> None:
    assert answer.names[:5] == ["id", "title", "subtitle", "mainstat", "secondarystat"]
    assert answer.of_type("String") == ["id", "title", "subtitle"]
    assert len(set(answer.column("id"))) == len(answer.rows)
    rings = zip(answer.column("arc__ok"), answer.column("arc__failed"), strict=True)
    assert all(math.isclose(sum(ring), 1.0) for ring in rings), "the parts of a ring make a whole"


_CHECKS: dict[str, Callable[[Answer, dict[str, Any]], None]] = {
    "timeseries": _check_timeseries,
    "stat": _check_stat,
    "table": _check_table,
    "traces": _check_traces,
    "logs": _check_logs,
    "barchart": _check_barchart,
    "nodeGraph": _check_node_graph,
}
