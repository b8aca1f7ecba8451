"""Field accuracy on real lines, per format: lines, fields, right, wrong, unread."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jobs.stages import user_formats
from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

__all__ = ["CORPUS", "TITLE", "FormatScore", "rows", "score", "wrong_fields"]

TITLE = "Formats: fields of real lines (../shared/tuning/formats)"
ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "tuning" / "formats" / "cases.jsonl"
_INSTEAD = ("error", "not_access", "skipped")


@dataclass
class FormatScore:
    """Counts of one format."""

    lines: int = 0
    fields: int = 0
    right: int = 0
    wrong: int = 0
    unread: int = 0
    """Lines that should have given an event and gave an error (all their fields count as wrong), or that should not and did."""


def rows() -> list[list[str]]:
    """The table, formats by name, the sum last."""
    if not CORPUS.exists():
        return []
    scores = score([json.loads(line) for line in CORPUS.read_text().splitlines()])
    total = FormatScore()
    for each in scores.values():
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(each, name))
    head = ["format", "lines", "fields", "right", "wrong", "unread", "accuracy"]
    return [head, *(_row(name, each) for name, each in sorted(scores.items())), _row("all", total)]


def _row(name: str, each: FormatScore) -> list[str]:
    share = each.right / each.fields if each.fields else 1.0
    return [name, *(str(value) for value in vars(each).values()), f"{share:.2%}"]


def score(cases: list[dict[str, Any]]) -> dict[str, FormatScore]:
    """Counts per format of cases as the tuning data's README tells them."""
    scores: dict[str, FormatScore] = defaultdict(FormatScore)
    settings = NormaliseSettings(redact=False, formats=user_formats(ROOT / "sql"))
    for case, answer in zip(cases, _answers(cases, settings), strict=True):
        each = scores[case["format"]]
        each.lines += 1
        if "expect" in case:
            each.unread += not _is_expected(case["expect"], answer)
            continue
        each.fields += len(case["expected"])
        each.unread += "error" in answer
        wrong = len(case["expected"]) if "error" in answer else len(wrong_fields(case["expected"], answer))
        each.wrong += wrong
        each.right += len(case["expected"]) - wrong
    return dict(scores)


def _answers(cases: list[dict[str, Any]], settings: NormaliseSettings) -> list[Any]:
    """Answers in one batch per group of lines: a header line belongs to the lines below it."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, case in enumerate(cases):
        groups[case.get("group", "")].append(place)
    answers: list[Any] = [None] * len(cases)
    for places in groups.values():
        lines = [_line(cases[place]) for place in places]
        for place, answer in zip(places, parse_lines(lines, settings), strict=True):
            answers[place] = json.loads(answer)
    return answers


def _line(case: dict[str, Any]) -> bytes:
    return case["line"].encode() if "line" in case else base64.b64decode(case["line_b64"])


def _is_expected(expect: str, answer: dict[str, Any]) -> bool:
    if expect == "skipped":
        return "skipped" in answer
    reason = answer.get("error", {}).get("reason")
    return reason == "not_access" if expect == "not_access" else bool(reason)


def wrong_fields(expected: dict[str, Any], answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Field -> (wanted, got) of those that are not right."""
    return {name: (wanted, answer.get(name)) for name, wanted in expected.items() if not _is_right(name, wanted, answer.get(name))}


def _is_right(name: str, wanted: Any, got: Any) -> bool:
    if isinstance(wanted, dict):
        return any(_is_right(name, one, got) for one in wanted["any"])
    if wanted is None or got is None:
        return wanted in (None, "") and got in (None, "")
    if name == "timestamp":
        return abs((datetime.fromisoformat(wanted) - datetime.fromisoformat(got)).total_seconds()) <= 0.001
    if name == "duration_ms":
        return bool(abs(got - wanted) <= max(0.002, abs(wanted) * 0.001))
    return bool(got == wanted)
