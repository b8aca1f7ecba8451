"""Answers of `anomasec parse` to single JSON lines."""

from __future__ import annotations

import json
from typing import Any

from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

__all__ = ["answer", "wrong_fields"]


def answer(line: object) -> dict[str, Any]:
    """The answer to a line, given as the object it holds."""
    (text,) = parse_lines([json.dumps(line).encode()], NormaliseSettings(redact=False))
    found: dict[str, Any] = json.loads(text)
    return found


def wrong_fields(line: object, expected: dict[str, Any]) -> dict[str, Any]:
    """Fields that are not as expected, with both values; expected None = not there."""
    found = answer(line)
    return {name: (wanted, found.get(name, found)) for name, wanted in expected.items() if found.get(name) != wanted}
