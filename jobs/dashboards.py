"""Grafana dashboards from the compact definitions in `dashboards/source/*.yaml`.

`python -m jobs.dashboards` writes `dashboards/*.json`; with `--check` it only says whether they are up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from schemas.change import CHANGE
from schemas.errors import ConfigError
from schemas.event import DEAD_LETTER, EVENT
from schemas.journey import JOURNEY, JOURNEY_STEP
from schemas.point import ANOMALY, BUDGET, INCIDENT, LABEL, POINT, SCORE
from schemas.record import Record
from schemas.service_graph import SERVICE_EDGE, SERVICE_GRAPH
from schemas.transaction import TRANSACTION

__all__ = ["DASHBOARDS", "VIEWS", "main", "render_all"]

DASHBOARDS = Path(__file__).resolve().parent.parent / "dashboards"
VIEWS: dict[str, Record] = {
    r.name: r
    for r in (
        *(EVENT, TRANSACTION, SERVICE_GRAPH, SERVICE_EDGE, JOURNEY_STEP, JOURNEY, CHANGE),
        *(POINT, SCORE, ANOMALY, INCIDENT, BUDGET, LABEL, DEAD_LETTER),
    )
}
"""What panels may query: the views of the store, by name."""

Json = dict[str, Any]

_SOURCE: Json = {"type": "grafana-clickhouse-datasource", "uid": "anomasec"}
_PLUGIN_VERSION = "4.20.0"
_WIDTH = 24  # columns of Grafana's grid
# (query type, numeric format) as the data source saves them; the format decides how the rows become frames.
_FORMATS = {"timeseries": ("timeseries", 0), "traces": ("traces", 3), "logs": ("logs", 2)}
_PANEL_TYPES = {"stat", "timeseries", "table", "traces", "logs", "barchart", "nodeGraph"}
_PANEL_KEYS = {
    "title", "type", "size", "unit", "units", "description", "columns", "sql", "links", "field_links",
    "thresholds", "stack", "style", "hidden", "bars", "empty_ok", "edges_sql", "colors",
}  # fmt: skip


def render_all(folder: Path = DASHBOARDS) -> dict[str, str]:
    """File name -> JSON text of every dashboard defined in `folder`/source.

    Raises
    ------
    ConfigError
        A definition with an unknown key, panel type, variable or column, or a panel without a description.
    """
    variables = _read(folder / "source" / "variables.yaml")
    names = sorted(p for p in (folder / "source").glob("*.yaml") if p.name != "variables.yaml")
    return {f"{p.stem}.json": json.dumps(_dashboard(p.name, _read(p), variables), indent=1) + "\n" for p in names}


def main(argv: list[str] | None = None) -> int:
    """Write the dashboards; with --check return 1 when a committed file differs."""
    parser = argparse.ArgumentParser(prog="python -m jobs.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    check = parser.parse_args(argv).check
    stale = []
    for name, text in render_all().items():
        path = DASHBOARDS / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.write_text(text)
    sys.stderr.write(f"{'out of date' if check else 'written'}: {', '.join(stale) or 'none'}\n")
    return 1 if check and stale else 0


def _read(path: Path) -> Json:
    try:
        content: Json = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}: {error}", "mend the YAML") from None
    return content


def _dashboard(file: str, definition: Json, variables: Json) -> Json:
    unknown = set(definition["variables"]) - set(variables)
    if unknown:
        raise ConfigError(f"{file}: unknown variables {sorted(unknown)}", f"known: {', '.join(variables)}")
    return {
        "uid": definition["uid"],
        "title": definition["title"],
        "description": definition["description"],
        "tags": ["anomasec"],
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": 41,
        "refresh": "",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "links": [
            {"type": "dashboards", "tags": ["anomasec"], "title": "AnomaSec", "asDropdown": True, "keepTime": True, "includeVars": True}
        ],
        "annotations": {"list": [_changes("environment" in definition["variables"])]},
        "templating": {"list": [_variable(name, variables[name]) for name in definition["variables"]]},
        "panels": _panels(file, definition["panels"]),
    }


def _changes(of_environment: bool) -> Json:
    """Marks of deploys and other changes on the time axis of every panel."""
    chosen = " AND (environment = '' OR $__conditionalAll(environment IN (${environment:sqlstring}), $environment))"
    where = chosen if of_environment else ""
    sql = (
        "SELECT time, concat(change_kind, ' ', service_name, ' ', version) AS title,"
        " concat(title, if(author = '', '', concat(' (', author, ')'))) AS text, concat(change_kind, ',', status) AS tags"
        f" FROM changes WHERE $__timeFilter(time) AND status != 'started' AND change_kind != 'code'{where} ORDER BY time LIMIT 500"
    )
    return {
        "name": "Changes",
        "enable": True,
        "hide": False,
        "iconColor": "purple",
        "datasource": _SOURCE,
        "target": {"refId": "A", "editorType": "sql", "queryType": "table", "format": 1, "pluginVersion": _PLUGIN_VERSION, "rawSql": sql},
    }


def _variable(name: str, spec: Json) -> Json:
    default = str(spec.get("default", ""))
    current: Json = {"text": default, "value": default}
    common = {"name": name, "label": spec["label"]}
    if spec["kind"] == "text":
        return {**common, "type": "textbox", "query": "", "current": current, "options": [{**current, "selected": True}]}
    if spec["kind"] == "choice":
        options = [{"text": v, "value": v, "selected": i == 0} for i, v in enumerate(spec["values"])]
        return {**common, "type": "custom", "query": ",".join(spec["values"]), "current": options[0], "options": options}
    multi = bool(spec.get("multi"))
    return {
        **common,
        "type": "query",
        "datasource": _SOURCE,
        "definition": spec["sql"],
        # An object, not a bare string: the data source's own variable support reads `rawSql`.
        "query": {"refId": f"variable-{name}", "queryType": "sql", "editorType": "sql", "rawSql": spec["sql"]},
        "refresh": 2,
        "multi": multi,
        "includeAll": multi,
        "current": {"text": ["All"], "value": ["$__all"]} if multi else current if default else {},
        "options": [],
    }


def _panels(file: str, definitions: list[Json]) -> list[Json]:
    x = y = row_height = 0
    panels = []
    for number, panel in enumerate(definitions, 1):
        _validate(f"{file}: panel '{panel.get('title', number)}'", panel)
        width, height = (int(part) for part in panel["size"].split("x"))
        if x + width > _WIDTH:
            x, y, row_height = 0, y + row_height, 0
        panels.append({"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}, **_panel(panel)})
        x, row_height = x + width, max(row_height, height)
    return panels


def _validate(where: str, panel: Json) -> None:
    unknown = set(panel) - _PANEL_KEYS
    missing = {"title", "type", "size", "description", "sql", *(["edges_sql"] if panel.get("type") == "nodeGraph" else [])} - set(panel)
    if unknown or missing:
        raise ConfigError(f"{where}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}", "see the panels beside it")
    if panel["type"] not in _PANEL_TYPES:
        raise ConfigError(f"{where}: unknown type '{panel['type']}'", f"known: {', '.join(sorted(_PANEL_TYPES))}")
    for column in panel.get("columns", ()):
        view, _, name = column.partition(".")
        if view not in VIEWS or name not in VIEWS[view].names:
            raise ConfigError(f"{where}: no column '{column}'", "name view.column as declared in schemas/")


def _panel(panel: Json) -> Json:
    # the node graph tells its two frames apart by their names
    queries = {"nodes": panel["sql"], "edges": panel["edges_sql"]} if panel["type"] == "nodeGraph" else {"A": panel["sql"]}
    return {
        "type": panel["type"],
        "title": panel["title"],
        "description": _description(panel),
        "datasource": _SOURCE,
        "targets": [_target(panel["type"], name, sql) for name, sql in queries.items()],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel["type"]],
    }


def _target(panel_type: str, name: str, sql: str) -> Json:
    query_type, number = _FORMATS.get(panel_type, ("table", 1))
    return {
        "refId": name,
        "datasource": _SOURCE,
        "editorType": "sql",
        "queryType": query_type,
        "format": number,
        "pluginVersion": _PLUGIN_VERSION,
        "rawSql": sql,
    }


def _description(panel: Json) -> str:
    """The panel's own text, then what the columns mean, in the words of their declaration."""
    lines = [panel["description"]]
    for column in panel.get("columns", ()):
        view, _, name = column.partition(".")
        doc = next(f.doc for f in VIEWS[view].fields if f.name == name)
        lines.append(f"* `{name}`: {doc}")
    return "\n\n".join((lines[0], "\n".join(lines[1:]))) if lines[1:] else lines[0]


def _defaults(panel: Json) -> Json:
    defaults: Json = {"unit": panel.get("unit", "short" if panel["type"] != "table" else "none")}
    if panel["type"] == "timeseries":
        custom: Json = {"lineWidth": 1, "fillOpacity": 30 if panel.get("stack") else 0, "spanNulls": False, "showPoints": "auto"}
        if panel.get("stack"):
            custom["stacking"] = {"mode": "normal", "group": "A"}
        defaults["custom"] = custom
        if re.search(r"\bAS series\b", panel["sql"]):
            defaults["displayName"] = "${__field.labels.series}"
    if panel.get("links"):
        defaults["links"] = [_link(link) for link in panel["links"]]
    if "thresholds" in panel:
        steps = [{"value": None if i == 0 else limit, "color": color} for i, (limit, color) in enumerate(panel["thresholds"].items())]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return defaults


def _overrides(panel: Json) -> list[Json]:
    properties: dict[str, list[Json]] = {}

    def add(field: str, key: str, value: object) -> None:
        properties.setdefault(field, []).append({"id": key, "value": value})

    for field, unit in panel.get("units", {}).items():
        add(field, "unit", unit)
    for field, colour in panel.get("colors", {}).items():
        add(field, "color", {"mode": "fixed", "fixedColor": colour})
    for field in panel.get("bars", ()):
        add(field, "custom.cellOptions", {"type": "gauge", "mode": "basic"})
    for field, links in panel.get("field_links", {}).items():
        add(field, "links", [_link(link) for link in links])
    for field in panel.get("hidden", ()):  # the second name is that of Grafana 12.2 and later
        add(field, "custom.hidden", True)
        add(field, "custom.hideFrom", {"viz": True, "legend": True, "tooltip": True})
    if panel.get("style") == "band":
        add("upper", "custom.fillBelowTo", "lower")
        for bound in ("lower", "upper"):
            add(bound, "custom.lineWidth", 0)
            add(bound, "color", {"mode": "fixed", "fixedColor": "semi-dark-green"})
        add("upper", "custom.fillOpacity", 15)
        add("expected", "custom.lineStyle", {"fill": "dash", "dash": [6, 6]})
        add("expected", "color", {"mode": "fixed", "fixedColor": "green"})
        add("value", "color", {"mode": "fixed", "fixedColor": "blue"})
        add("anomaly", "custom.drawStyle", "points")
        add("anomaly", "custom.pointSize", 9)
        add("anomaly", "color", {"mode": "fixed", "fixedColor": "red"})
    return [{"matcher": {"id": "byName", "options": field}, "properties": items} for field, items in properties.items()]


def _link(link: Mapping[str, str]) -> Json:
    """`to: dashboard?parameters` within AnomaSec; the time range is kept unless `range: from..to` (epoch ms) is given."""
    target, _, parameters = link["to"].partition("?")
    time = "from={}&to={}".format(*link["range"].split("..")) if "range" in link else "${__url_time_range}"
    return {"title": link["title"], "url": f"/d/anomasec-{target}?{'&'.join(filter(None, (parameters, time)))}"}


_LEGEND: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True}
_OPTIONS: dict[str, Json] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value", "graphMode": "none"},
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "barchart": {"legend": {**_LEGEND, "showLegend": False}, "orientation": "horizontal", "tooltip": {"mode": "single"}},
    "table": {"showHeader": True, "cellHeight": "sm"},
    "traces": {},
    # the parts of a node's ring are the fields arc__*, coloured by the overrides of the panel's `colors`
    "nodeGraph": {"nodes": {}, "edges": {}, "zoomMode": "cooperative"},
    "logs": {"showTime": True, "wrapLogMessage": True, "sortOrder": "Ascending", "enableLogDetails": True},
}

if __name__ == "__main__":
    sys.exit(main())
