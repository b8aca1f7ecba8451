"""Golden lines: input line and the whole answer, for every file in tests/golden/formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

_FOLDER = Path(__file__).parents[2] / "golden/formats"


def _golden() -> list[Any]:
    return [
        pytest.param(json.loads(text), id=f"{path.stem}-{number}")
        for path in sorted(_FOLDER.glob("*.jsonl"))
        for number, text in enumerate(path.read_text().splitlines(), 1)
    ]


@pytest.mark.parametrize("golden", _golden())
def test_golden_line_gives_its_answer(golden: dict[str, Any]) -> None:
    (answer,) = parse_lines([golden["line"].encode()], NormaliseSettings(redact=golden.get("redact", False)))
    assert json.loads(answer) == golden["answer"]


def test_there_are_golden_lines_of_each_format() -> None:
    stems = {path.stem for path in _FOLDER.glob("*.jsonl")}
    assert stems >= {"aws_alb", "bad_input", "common_log", "envoy", "json_lines", "nginx_json", "otlp"}
