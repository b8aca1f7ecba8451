"""Lines of text formats for tests: what the parsers alone make of them, before normalise fills in the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.normalise.detect import read_lines
from udfs.normalise.settings import NormaliseSettings

__all__ = ["FOLDER", "golden_lines", "read_each"]

FOLDER = Path(__file__).parents[2] / "golden/text_lines"


def golden_lines() -> list[dict[str, Any]]:
    """All lines of the folder with their answers."""
    return [
        {**json.loads(text), "id": f"{path.stem}-{number}"}
        for path in sorted(FOLDER.glob("*.jsonl"))
        for number, text in enumerate(path.read_text().splitlines(), 1)
    ]


def read_each(
    lines: Sequence[str | bytes], record: Sequence[int] | None = None, settings: NormaliseSettings | None = None
) -> list[dict[str, Any]]:
    """Fields of each line, or {'refused': reason}, or {} for a header; lines are records of their own unless told otherwise."""
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    places = np.arange(len(raw)) if record is None else np.array(record)
    answers: list[dict[str, Any]] = [{} for _ in raw]
    for result in read_lines(pa.array(raw, pa.large_binary()), settings or NormaliseSettings(), places):
        for row, line in enumerate(result.line.tolist()):
            assert not answers[line], "a line was read twice"
            if row in result.refused:
                answers[line] = {"refused": result.refused[row].reason}
            else:
                fields = {name: array[row].as_py() for name, array in result.columns.items()}
                answers[line] = {name: _plain(value) for name, value in fields.items() if value not in (None, "")}
    return answers


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
