"""Rows that the user keeps in SQL files: `INSERT INTO table (columns) VALUES (...), (...);`, texts only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from schemas.errors import SqlError

__all__ = ["read_rows", "write_rows"]

Row = TypeVar("Row")

_INSERT = re.compile(r"\s*INSERT\s+INTO\s+(\w+)\s*\(([^)]*)\)\s*VALUES\s*", re.IGNORECASE)
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([(),;]))")
_COMMENT = re.compile(r"('(?:[^']|'')*')|--[^\n]*")


def read_rows(path: Path, table: str, kind: type[Row]) -> tuple[Row, ...]:
    """Rows of one table as objects of `kind`, whose fields are the columns; no file = no rows.

    Raises
    ------
    SqlError
        Another table, an unknown column, or a row that `kind` refuses; says file and line.
    """
    if not path.is_file():
        return ()
    text = _COMMENT.sub(lambda match: match.group(1) or "", path.read_text())
    rows: list[Row] = []
    at = 0
    while text[at:].strip():
        match = _INSERT.match(text, at)
        try:
            if match is None:
                raise ValueError(f"not a row: {text[at:].strip()[:60]!r}")
            columns = _columns(match, table, kind)
            at = match.end()
            for values, end in _tuples(text, at):
                at = end
                if len(values) != len(columns):
                    raise ValueError(f"{len(values)} values for {len(columns)} columns")
                rows.append(kind(**dict(zip(columns, values, strict=True))))
        except ValueError as error:
            line = text.count("\n", 0, at + len(text[at:]) - len(text[at:].lstrip())) + 1
            mend = f"write INSERT INTO {table} (column, ...) VALUES ('text', ...);"
            raise SqlError(f"{path}:{line}: {' '.join(str(error).split())}", mend) from None
    return tuple(rows)


def _columns(match: re.Match[str], table: str, kind: type[Any]) -> list[str]:
    if match.group(1).lower() != table:
        raise ValueError(f"unknown table '{match.group(1)}', this file fills {table}")
    known = [f.name for f in fields(kind)]
    columns = [column.strip() for column in match.group(2).split(",")]
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, 1)
            raise ValueError(
                f"{table} has no column '{column}'" + (f", did you mean {near[0]}?" if near else f", it has {', '.join(known)}")
            )
    return columns


def _tuples(text: str, at: int) -> Iterator[tuple[list[str], int]]:
    """Values of each row and the place behind it, up to the ';'."""
    row: list[str] | None = None
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {text[at:].strip()[:40]!r}: values are texts in single quotes, a ; ends the statement")
        at = match.end()
        word, sign = match.groups()
        if sign == "(":
            row = []
        elif sign == ")" and row is not None:
            end = re.compile(r"\s*;").match(text, at)
            yield row, end.end() if end else at
            if end:
                return
            row = None
        elif sign is None and row is not None:
            row.append(word.replace("''", "'"))
        elif sign != ",":
            raise ValueError(f"misplaced '{sign or word}'")


def write_rows(table: str, rows: Iterable[Any], columns: Iterable[str]) -> str:
    """One INSERT statement of the rows; '' for none."""
    names = list(columns)
    lines = ["  (" + ", ".join("'" + str(getattr(row, name)).replace("'", "''") + "'" for name in names) + ")" for row in rows]
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES\n" + ",\n".join(lines) + ";\n" if lines else ""
