"""The shared corpus of lines with the fields they hold: every case of every format."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

_CORPUS = Path(__file__).parents[4] / "shared/tuning/formats/cases.jsonl"


def _cases() -> list[dict[str, Any]]:
    if not _CORPUS.exists():
        return []
    return [json.loads(line) for line in _CORPUS.read_text().splitlines()]


def _line(case: dict[str, Any]) -> bytes:
    return case["line"].encode() if "line" in case else base64.b64decode(case["line_b64"])


def _is_right(field: str, wanted: Any, got: Any) -> bool:
    if isinstance(wanted, dict):
        return any(_is_right(field, one, got) for one in wanted["any"])
    if wanted is None or got is None:
        return wanted in (None, "") and got in (None, "")
    if field == "timestamp":
        return abs((datetime.fromisoformat(wanted) - datetime.fromisoformat(got)).total_seconds()) <= 0.001
    if field == "duration_ms":
        return bool(abs(got - wanted) <= max(0.002, abs(wanted) * 0.001))
    return bool(got == wanted)


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    """Answers of `anomasec parse` to all cases, given in one batch."""
    cases = _cases()
    if not cases:
        pytest.skip("the shared corpus is not beside this repository")
    lines = parse_lines([_line(case) for case in cases], NormaliseSettings(redact=False))
    return {case["id"]: json.loads(line) for case, line in zip(cases, lines, strict=True)}


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_case_gives_the_expected_fields(case: dict[str, Any], answers: dict[str, dict[str, Any]]) -> None:
    answer = answers[case["id"]]
    if case.get("expect") == "error":
        assert answer["error"]["reason"]
    elif case.get("expect") == "not_access":
        assert answer["error"]["reason"] == "not_access"
    elif case.get("expect") == "skipped":
        assert answer == {"skipped": "header"}
    else:
        wrong = {
            name: (wanted, answer.get(name)) for name, wanted in case["expected"].items() if not _is_right(name, wanted, answer.get(name))
        }
        assert not wrong
