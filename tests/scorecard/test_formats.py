from __future__ import annotations

from typing import Any

import pytest

from tests.scorecard.__main__ import main, scorecards
from tests.scorecard.formats import CORPUS, score

_LINE = '203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5'


def test_right_wrong_and_unread_are_counted_per_format() -> None:
    cases: list[dict[str, Any]] = [
        {"format": "a", "line": _LINE, "expected": {"url_path": {"any": ["/a", "/b"]}, "duration_ms": None, "client_address": "9.9.9.9"}},
        {"format": "a", "line": "garbage", "expected": {"url_path": "/a"}},
        {"format": "b", "line": "garbage", "expect": "error"},
        {"format": "b", "line": _LINE, "expect": "error"},
    ]
    scores = score(cases)
    assert vars(scores["a"]) == {"lines": 2, "fields": 4, "right": 2, "wrong": 2, "unread": 1}
    assert vars(scores["b"]) == {"lines": 2, "fields": 0, "right": 0, "wrong": 0, "unread": 1}


def test_the_command_prints_the_named_scorecard(capsys: pytest.CaptureFixture[str]) -> None:
    assert "formats" in scorecards()
    assert main(["formats"]) == 0
    shown = capsys.readouterr().out
    assert ("\nall " in shown) == CORPUS.exists()


def test_an_unknown_scorecard_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colours"]) == 2
    assert "no scorecard colours" in capsys.readouterr().err
