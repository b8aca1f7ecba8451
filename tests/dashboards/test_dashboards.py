"""The committed dashboards: generated from their definitions, linked to each other, told apart."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.dashboards import DASHBOARDS, main, render_all
from schemas.errors import ConfigError

_COMMITTED = {path.name: path.read_text() for path in sorted(DASHBOARDS.glob("*.json"))}
_DASHBOARDS = {json.loads(text)["uid"]: json.loads(text) for text in _COMMITTED.values()}
_PROVISIONING = DASHBOARDS / "provisioning"


def test_the_committed_json_is_what_the_definitions_render() -> None:
    assert render_all() == _COMMITTED, "run: python -m jobs.dashboards"
    assert main(["--check"]) == 0


def test_uids_are_stable_and_unique() -> None:
    assert len(_DASHBOARDS) == len(_COMMITTED)
    assert set(_DASHBOARDS) == {f"anomasec-{name.removesuffix('.json')}" for name in _COMMITTED}


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_a_dashboard_is_read_only_and_every_panel_says_what_it_shows_and_in_which_unit(dashboard: dict[str, Any]) -> None:
    assert dashboard["editable"] is False
    assert len({p["id"] for p in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in dashboard["panels"]:
        assert len(panel["description"]) > 20
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "anomasec"


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    cells = [
        (x, y)
        for p in dashboard["panels"]
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_every_variable_of_a_query_is_declared(dashboard: dict[str, Any]) -> None:
    declared = {v["name"] for v in dashboard["templating"]["list"]}
    for panel in dashboard["panels"]:
        used = set(re.findall(r"\$\{(\w+)(?::\w+)?\}", panel["targets"][0]["rawSql"] + panel["title"]))
        assert used <= declared, panel["title"]


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_every_link_leads_to_a_dashboard_and_sets_variables_it_has(dashboard: dict[str, Any]) -> None:
    for url in re.findall(r'"url": "([^"]+)"', json.dumps(dashboard)):
        uid, _, parameters = url.removeprefix("/d/").partition("?")
        names = {v["name"] for v in _DASHBOARDS[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", parameters)) <= names
        own = {v["name"] for v in dashboard["templating"]["list"]}
        assert set(re.findall(r"\$\{(\w+):queryparam\}", parameters)) <= own & names


def test_one_can_drill_down_from_the_overview_to_a_waterfall() -> None:
    links = {uid: set(re.findall(r"/d/(anomasec-[\w-]+)", json.dumps(d["panels"]))) for uid, d in _DASHBOARDS.items()}
    assert "anomasec-endpoints" in links["anomasec-overview"]
    assert "anomasec-transactions" in links["anomasec-endpoints"]
    assert "anomasec-transaction" in links["anomasec-transactions"]
    assert "anomasec-transactions" in links["anomasec-anomalies"]


def test_the_provisioned_data_source_is_the_one_the_dashboards_name() -> None:
    source = yaml.safe_load((_PROVISIONING / "datasources" / "clickhouse.yaml").read_text())["datasources"][0]
    assert (source["uid"], source["type"]) == ("anomasec", "grafana-clickhouse-datasource")
    assert source["jsonData"]["protocol"] == "http"
    assert not source["editable"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": "gauge"}, "unknown type 'gauge'"),
        ({"colums": []}, "unknown keys ['colums']"),
        ({"columns": ["points.valeu"]}, "no column 'points.valeu'"),
        ({"description": None}, "missing keys ['description']"),
    ],
)
def test_a_mistake_in_a_definition_is_told_with_file_and_panel(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    panel = {"title": "Rate", "type": "stat", "size": "4x4", "description": "d", "sql": "SELECT 1"} | change
    panel = {key: value for key, value in panel.items() if value is not None}
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "variables.yaml").write_text("{}")
    content = {"uid": "u", "title": "t", "description": "d", "variables": [], "panels": [panel]}
    (tmp_path / "source" / "one.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="one.yaml: panel 'Rate'") as error:
        render_all(tmp_path)
    assert told in str(error.value)
