from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.cli.main import main
from jobs.context.endpoints import Seen, compare, learn_templates
from jobs.context.openapi import read_openapi
from jobs.context.settings import read_route_table
from schemas.errors import AnomasecError
from udfs.normalise.route_table import RouteRow, RouteTable

_OPENAPI = """
openapi: 3.1.0
servers: [{url: "https://{host}/{base}/", variables: {host: {default: e.com}, base: {default: v2}}}]
paths:
  /pets: {get: {}, post: {}, parameters: []}
  /pets/{petId}/: {delete: {}}
  x-note: {get: {}}
"""


def test_openapi_names_the_routes_behind_the_servers_path(tmp_path: Path) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text(_OPENAPI)
    rows = [(row.method, row.route, row.service) for row in read_openapi(path, "shop")]
    assert rows == [("GET", "/v2/pets", "shop"), ("POST", "/v2/pets", "shop"), ("DELETE", "/v2/pets/{petId}", "shop")]


def test_swagger_two_as_json_has_its_base_path(tmp_path: Path) -> None:
    path = tmp_path / "swagger.json"
    path.write_text(json.dumps({"swagger": "2.0", "basePath": "/api", "paths": {"/a/{id}": {"get": {}}}}))
    assert [row.route for row in read_openapi(path, "")] == ["/api/a/{id}"]


@pytest.mark.parametrize("text", ["", "[1]", "{", "a: [", "openapi: 3.0.0\npaths: {}\n", "- x"])
def test_what_is_no_openapi_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(AnomasecError) as error:
        read_openapi(path, "")
    assert str(path) in str(error.value)


def test_endpoints_are_documented_shadow_or_zombie() -> None:
    table = RouteTable(
        (
            RouteRow("/pets/{petId}", "shop", "GET"),
            RouteRow("/pets", "shop", "POST"),
            RouteRow("/health"),
            RouteRow("/l/{value}", "shop", "", "learned"),
        )
    )
    seen = [
        Seen("shop", "GET", "/pets/{petId}", 9, "t", 9),
        Seen("shop", "DELETE", "/pets/{petId}", 2, "t", 2),
        Seen("shop", "GET", "/wp-admin", 50, "t", 0),
        Seen("cart", "GET", "/health", 1, "t", 1),
    ]
    states = {(one.state, one.service, one.method, one.route) for one in compare(seen, table)}
    assert states == {
        ("documented", "shop", "GET", "/pets/{petId}"),
        ("shadow", "shop", "DELETE", "/pets/{petId}"),
        ("documented", "cart", "GET", "/health"),
        ("zombie", "shop", "POST", "/pets"),
    }


def test_a_position_with_too_many_values_becomes_a_parameter() -> None:
    routes = [("shop", f"/articles/{word}-{other}/comments") for word in "abcdefg" for other in "hijklmn"]
    routes += [("shop", "/articles/new"), ("shop", "/health"), ("cart", "/articles/a-h/comments"), ("shop", "/users/{id}")]
    rows = learn_templates(routes, 20, RouteTable())
    assert [(row.service, row.route, row.source) for row in rows] == [("shop", "/articles/{value}/comments", "learned")]
    assert learn_templates(routes, 100, RouteTable()) == []
    learned = RouteTable(tuple(rows))
    assert learn_templates([("shop", learned.match(route, "shop") or route) for _, route in routes], 20, learned) == []


def test_import_writes_rows_once_that_the_job_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flink").mkdir()
    file = tmp_path / "openapi.yaml"
    file.write_text(_OPENAPI)
    for _ in range(2):
        assert main(["endpoints", "import", str(file), "--service", "shop", "--sql-dir", str(tmp_path)]) == 0
    assert len(read_route_table(tmp_path / "flink").rows) == 3
    assert "0 documented routes added" in capsys.readouterr().err
