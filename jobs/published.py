"""What is published from the declarations in schemas/: the column reference, and JSON schemas of the topics.

`python -m jobs.published` writes `docs/columns.md` and `schemas/json/*.schema.json`; with `--check` it only says whether they are
up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.change import CHANGE
from schemas.event import DEAD_LETTER, EVENT
from schemas.point import ANOMALY, BUDGET, INCIDENT, LABEL, POINT, SCORE
from schemas.record import Field, Record
from schemas.transaction import TRANSACTION

__all__ = ["column_reference", "json_schema", "main", "render_all"]

ROOT = Path(__file__).resolve().parent.parent
_VIEWS = (EVENT, TRANSACTION, CHANGE, POINT, SCORE, ANOMALY, INCIDENT, BUDGET, LABEL, DEAD_LETTER)
_TOPICS = {"anomalies": ANOMALY, "incidents": INCIDENT, "dead-letters": DEAD_LETTER}
_HIDDEN = {"events": {"transaction_hash"}, "transactions": {"merged_into"}}
"""Columns of a table that its view leaves out."""


def render_all() -> dict[Path, str]:
    """Path -> text of everything published."""
    published = {ROOT / "docs" / "columns.md": column_reference()}
    for topic, record in _TOPICS.items():
        published[ROOT / "schemas" / "json" / f"{topic}.schema.json"] = json.dumps(json_schema(topic, record), indent=2) + "\n"
    return published


def column_reference() -> str:
    """Every view and column, as Markdown."""
    lines = [
        "# Columns",
        "",
        "What the views of the store hold. Generated from `schemas/` by `python -m jobs.published`; the same words are the comments of",
        "the columns in ClickHouse, what `anomasec sql --describe` prints, and what the dashboards' panels explain.",
        "",
        "Text is never null: absent is `''`. Times are UTC. `Nullable` numbers are null where the column says so.",
    ]
    for record in _VIEWS:
        fields = [f for f in record.fields if f.name not in _HIDDEN.get(record.name, ())]
        identity = ", ".join(f"`{name}`" for name in record.identity)
        lines += [
            "",
            f"## {record.name}",
            "",
            record.doc,
            "",
            f"One row per {identity}.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        lines += [f"| `{f.name}` | {_type(f)} | {f.doc.replace('|', '/')} |" for f in fields]
    return "\n".join(lines) + "\n"


def json_schema(topic: str, record: Record) -> dict[str, Any]:
    """JSON Schema (2020-12) of one message of a topic: one object, every column, nothing else."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": topic,
        "description": f"{record.doc} One message is one object. A later message with the same identity replaces an earlier one.",
        "x-identity": list(record.identity),
        "type": "object",
        "additionalProperties": False,
        "required": list(record.names),
        "properties": {f.name: {**_json_type(f, f.name in record.identity), "description": f.doc} for f in record.fields},
    }


def _type(field: Field) -> str:
    return field.clickhouse.replace("LowCardinality(String)", "String").replace(", 'UTC'", "")


def _json_type(field: Field, is_identity: bool) -> dict[str, Any]:
    kind = field.arrow
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    if pa.types.is_list(kind):
        return {"type": "array", "items": {"type": "string"}}
    if pa.types.is_timestamp(kind):
        return {"type": ["string", "null"] if field.clickhouse.startswith("Nullable") else "string", "format": "date-time"}
    if pa.types.is_binary(kind):
        return {"type": "string", "contentEncoding": "base64"}
    if pa.types.is_string(kind):  # absent text is null in Arrow, and so in JSON
        return {"type": "string" if is_identity else ["string", "null"]}
    name = "integer" if pa.types.is_integer(kind) else "number"
    return {"type": [name, "null"] if field.clickhouse.startswith("Nullable") else name}


def main(argv: list[str] | None = None) -> int:
    """Write what is published; with --check return 1 when a committed file differs."""
    parser = argparse.ArgumentParser(prog="python -m jobs.published", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    check = parser.parse_args(argv).check
    stale = []
    for path, text in render_all().items():
        if not path.exists() or path.read_text() != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text)
    sys.stderr.write(f"{'out of date' if check else 'written'}: {', '.join(stale) or 'none'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
