"""Reads table definitions of `sql/flink/formats/*.sql` into formats. The syntax is told in docs/formats-of-your-own.md."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlglot import exp
from sqlglot import parse as parse_sql
from sqlglot.errors import ParseError, TokenError

from schemas.errors import SqlError
from udfs.formats.dialect import TARGETS
from udfs.formats.user_compile import Compiler, FormatSql
from udfs.formats.user_expressions import Expression, Rows
from udfs.formats.user_format import UserFormat
from udfs.formats.user_grok import group_names

__all__ = ["Definition", "Sample", "read_definition", "read_definitions", "read_formats"]

_OPTIONS = ("pattern", "matches", "matches.keys", "time-zone")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SAMPLE = re.compile(r"^-- (sample|gives): ?(.*)$")


@dataclass(frozen=True)
class Sample:
    """A line in the comments of a definition, with what is expected of it."""

    line: str
    line_number: int
    gives: dict[str, Any] | None = None
    gives_number: int = 0


@dataclass(frozen=True)
class Definition:
    """A format with the file it came from and its sample lines."""

    path: Path
    format: UserFormat
    samples: tuple[Sample, ...]


def read_formats(folder: Path) -> tuple[UserFormat, ...]:
    """The formats of a folder, by file name; () when it is not there.

    Raises
    ------
    SqlError
        The first mistake, with file, line and column.
    """
    return tuple(definition.format for definition in read_definitions(folder))


def read_definitions(folder: Path) -> list[Definition]:
    """The definitions of a folder, by file name.

    Raises
    ------
    SqlError
        The first mistake, with file, line and column; also a name that two files use.
    """
    found = [read_definition(path) for path in sorted(folder.glob("*.sql"))]
    paths: dict[str, Path] = {}
    for definition in found:
        name = definition.format.name
        if name in paths:
            raise SqlError(f"{definition.path}:1:1: format '{name}' is also defined in {paths[name].name}", "give it a name of its own")
        paths[name] = definition.path
    return found


def read_definition(path: Path) -> Definition:
    """One file: `CREATE TABLE name (column AS expression, ...) WITH ('option' = 'value', ...);`.

    Raises
    ------
    SqlError
        File, line and column of a mistake, and how to mend it.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SqlError(f"cannot read {path}: {error}", "it must be a text file in UTF-8") from None
    reader = _Reader(path, text)
    return Definition(path, reader.read(), tuple(_samples(path, text)))


def _samples(path: Path, text: str) -> Iterator[Sample]:
    waiting: Sample | None = None
    for number, row in enumerate(text.splitlines(), 1):
        match = _SAMPLE.match(row)
        if match is None:
            continue
        if match.group(1) == "sample":
            if waiting:
                yield waiting
            waiting = Sample(match.group(2), number)
            continue
        try:
            gives = json.loads(match.group(2))
        except json.JSONDecodeError as error:
            raise SqlError(
                f"{path}:{number}:{error.colno + 10}: 'gives' is no JSON object: {error.msg}", 'write {"field": value}'
            ) from None
        if waiting is None or not isinstance(gives, dict):
            raise SqlError(f"{path}:{number}:1: 'gives' must follow a sample, and be a JSON object", "put it below its sample")
        yield Sample(waiting.line, waiting.line_number, gives, number)
        waiting = None
    if waiting:
        yield waiting


@dataclass
class _Reader(Compiler):
    """Turns one file into a format."""

    def read(self) -> UserFormat:
        create = self._statement()
        table = create.find(exp.Table)
        schema = create.this
        if not isinstance(schema, exp.Schema) or table is None:
            self.refuse("a format has columns", "write CREATE TABLE name (column AS expression, ...) WITH (...)", create)
        if not _NAME.fullmatch(table.name):
            self.refuse(f"'{table.name}' is no name of a format", "use small letters, digits and _", table.this)
        self._read_options(create)
        pattern = self._pattern("pattern")
        self.names += group_names(pattern)
        keys, values = self._keys()
        if not pattern and not keys and "matches" not in self.options:
            self.refuse("nothing says which lines are of this format", "add 'pattern', 'matches' or 'matches.keys' to WITH", table.this)
        if pattern and keys:
            self.refuse("'pattern' is for texts, 'matches.keys' for JSON lines", "keep one of them", self.options["matches.keys"][1])
        columns, expressions = self._columns(schema)
        made = UserFormat(table.name, tuple(columns), pattern, self._pattern("matches"), keys, values, self.file.name, tuple(expressions))
        for single, column in zip(made.columns, schema.expressions, strict=True):
            self._try(replace(made, columns=(single,)), column)
        return made

    def _statement(self) -> exp.Expression:
        try:
            statements = [
                found for found in parse_sql(self.sql, dialect=FormatSql) if found is not None and not isinstance(found, exp.Semicolon)
            ]
        except ParseError as error:
            detail = error.errors[0] if error.errors else {}
            line, end = detail.get("line") or 1, detail.get("col") or 1
            word = detail.get("highlight") or ""
            what = f"{(detail.get('description') or 'not SQL').rstrip('.')} at '{word}'" if word else "the statement ends too early"
            at = f"{self.file}:{line}:{max(end - len(word) + 1, 1)}"
            raise SqlError(f"{at}: {what}", "look for a missing comma, bracket, quote or AS just before it") from None
        except TokenError as error:
            raise SqlError(f"{self.file}:1:1: {str(error).splitlines()[0]}", "look for a quote that is not closed") from None
        if not statements or not isinstance(statements[0], exp.Create) or statements[0].kind != "TABLE":
            raise SqlError(f"{self.file}:1:1: no format in it", "write CREATE TABLE name (column AS expression, ...) WITH (...);")
        if len(statements) > 1:
            self.refuse("more than one statement", "put each format into a file of its own", statements[1])
        return statements[0]

    def _read_options(self, create: exp.Expression) -> None:
        properties = create.args.get("properties")
        for option in properties.expressions if properties else ():
            if not isinstance(option, exp.Property) or not isinstance(option.this, exp.Literal):
                self.refuse("not an option", "write WITH ('option' = 'value', ...)", option)
            name, value = option.this.name, option.args["value"]
            if name.startswith("grok."):
                self.own_grok[name.removeprefix("grok.")] = value.name
            elif name not in _OPTIONS:
                near = difflib.get_close_matches(name, _OPTIONS, 1)
                known = f"known: {', '.join(_OPTIONS)}, grok.NAME"
                self.refuse(f"unknown option '{name}'", f"did you mean '{near[0]}'?" if near else known, option.this)
            else:
                self.options[name] = (value.name, value)

    def _pattern(self, option: str) -> str:
        if option not in self.options:
            return ""
        value, node = self.options[option]
        return self.expanded(value, node)

    def _keys(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        if "matches.keys" not in self.options:
            return (), ()
        value, node = self.options["matches.keys"]
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts:
            self.refuse("'matches.keys' names no key", "write 'matches.keys' = 'a, b' or 'a, type=b'", node)
        keys = tuple(part.partition("=")[0].strip() for part in parts)
        pairs = [part.partition("=") for part in parts if "=" in part]
        return keys, tuple((key.strip(), text.strip()) for key, _, text in pairs)

    def _columns(self, schema: exp.Expression) -> tuple[list[tuple[str, Expression]], list[tuple[str, str]]]:
        columns: list[tuple[str, Expression]] = []
        expressions: list[tuple[str, str]] = []
        for column in schema.expressions:
            if not isinstance(column, exp.ColumnDef):
                self.refuse("not a column", "write: column AS expression", column)
            name = column.name
            if name not in TARGETS:
                near = difflib.get_close_matches(name, TARGETS, 1)
                self.refuse(f"unknown column '{name}'", f"did you mean '{near[0]}'?" if near else "see docs/columns.md", column.this)
            if name in dict(columns):
                self.refuse(f"column '{name}' is there twice", "join its expressions by COALESCE", column.this)
            kinds = (constraint.args["kind"] for constraint in column.args.get("constraints") or ())
            computed = next((kind.this for kind in kinds if isinstance(kind, exp.ComputedColumnConstraint)), None)
            if computed is None:
                self.refuse(f"column '{name}' says not what fills it", f"write: {name} AS expression", column.this)
            columns.append((name, self.expression(computed)))
            expressions.append((name, self._written(column, computed)))
        if not columns:
            self.refuse("the format has no columns", "write: column AS expression", schema)
        return columns, expressions

    def _written(self, column: exp.Expression, computed: exp.Expression) -> str:
        """The expression as it stands in the file."""
        after = self.sql[column.this.meta["end"] + 1 :]
        rest = re.sub(r"^\s*AS\s+", "", after, flags=re.IGNORECASE)
        depth, quoted = 0, False
        for place, char in enumerate(rest):
            quoted ^= char == "'"
            if quoted:
                continue
            depth += (char == "(") - (char == ")")
            if depth < 0 or (char == "," and depth == 0):
                return " ".join(rest[:place].split())
        return computed.sql(dialect=FormatSql)

    def _try(self, made: UserFormat, node: exp.Expression) -> None:
        """Run it once over a line, so that types which do not go together are told now."""
        try:
            if made.is_json:
                made.parse_objects([{}, {key: "1" for key in made.keys}], np.arange(2))
            else:
                names = {name: pa.array(["1", None]) for name in self.names}
                made.read_rows(Rows(2, names), np.arange(2))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, TypeError, AttributeError) as error:
            self.refuse(f"types do not go together: {str(error).splitlines()[0][:150]}", "CAST to the type that is needed", node)
