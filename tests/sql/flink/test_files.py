from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from jobs.knobs import Knobs, read_knobs
from jobs.score.wire import WIRE_COLUMNS
from schemas.point import POINT, SCORE
from udfs.registry import FUNCTIONS
from udfs.scorers.pack import PACK_COLUMNS

FLINK = Path(__file__).parents[3] / "sql" / "flink"


def test_the_file_sets_every_knob_to_its_default() -> None:
    assert read_knobs(FLINK / "knobs.sql") == Knobs()
    named = re.findall(r"^SET 'anomasec\.([a-z_.]+)'", (FLINK / "knobs.sql").read_text(), re.MULTILINE)
    assert named == [f.name.replace("_", ".", 1) for f in fields(Knobs)]


@pytest.mark.parametrize("knob", fields(Knobs), ids=lambda f: f.name)
def test_a_knobs_line_says_its_unit_its_effect_and_its_default(knob: object) -> None:
    name, doc = knob.name.replace("_", ".", 1), knob.metadata["doc"]  # type: ignore[attr-defined]
    line = next(x for x in (FLINK / "knobs.sql").read_text().splitlines() if f"'anomasec.{name}'" in x)
    value, unit, text, default = re.fullmatch(r"SET '[^']+' = '([^']*)';\s+-- ([^:]+): (.*) \(([^()]+)\)", line).groups()  # type: ignore[union-attr]
    assert unit
    assert default == value
    words = f"{unit} {text}" if doc.startswith(unit) else text  # 'points of a series' may be split at its unit
    assert words.startswith(doc)


@pytest.mark.parametrize("name", ["points.sql", "points_files.sql"])
def test_the_points_table_has_the_columns_of_the_record(name: str) -> None:
    columns = re.findall(r"^ {4}`(\w+)` +([A-Z]+),", (FLINK / name).read_text(), re.MULTILINE)
    kinds = {"time": "BIGINT", "emitted_at": "BIGINT"} | {f.name: f.flink for f in POINT.fields if f.name not in ("time", "emitted_at")}
    assert columns == [(wire, kinds[f.name]) for wire, f in zip(WIRE_COLUMNS, POINT.fields, strict=True)]


def test_every_registered_function_has_its_sql_name() -> None:
    made = re.findall(r"^CREATE TEMPORARY FUNCTION (\w+) AS 'udfs\.registry\.(\w+)'", (FLINK / "functions.sql").read_text(), re.MULTILINE)
    assert made == [(name, name) for name in FUNCTIONS]


def test_the_sidecar_describes_the_columns_of_the_view_in_their_order() -> None:
    sidecar = yaml.safe_load((FLINK / "score.yml").read_text())
    assert tuple(sidecar["columns"]) == PACK_COLUMNS
    assert len(PACK_COLUMNS) == len(SCORE.names)


def test_every_constant_of_the_scoring_sql_says_its_unit_effect_and_default() -> None:
    block = (FLINK / "score.sql").read_text().split("-- Rules")[0]
    constants = re.findall(r"CAST\(([\d.]+) AS \w+\)\s+AS (\w+),?\s+-- (.+)", block)
    assert len(constants) >= 4
    for value, name, comment in constants:
        assert comment.endswith(f"({value})"), name
        assert ";" in comment or ":" in comment, name
