"""Reads table definitions of `sql/flink/formats/*.sql` into formats. The syntax is told in docs/formats-of-your-own.md."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import pyarrow as pa
from sqlglot import exp, parser, tokens
from sqlglot import parse as parse_sql
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError

from schemas.errors import SqlError
from udfs.formats import user_functions as functions
from udfs.formats.dialect import TARGETS
from udfs.formats.user_expressions import Call, Constant, Expression, Name, Rows
from udfs.formats.user_format import UserFormat
from udfs.formats.user_grok import GrokError, expand_pattern, group_names
from udfs.formats.user_times import time_pattern

__all__ = ["Definition", "Sample", "read_definition", "read_definitions", "read_formats"]

_OPTIONS = ("pattern", "matches", "matches.keys", "time-zone")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SAMPLE = re.compile(r"^-- (sample|gives): ?(.*)$")
_PATH_STEP = re.compile(r"\.([A-Za-z_@][\w@-]*)|\.\"([^\"]+)\"|\['([^']+)'\]|\[(\d+)\]")
_TYPES = {
    "INT": functions.to_integer, "BIGINT": functions.to_integer, "SMALLINT": functions.to_integer, "TINYINT": functions.to_integer,
    "DOUBLE": functions.to_number, "FLOAT": functions.to_number, "DECIMAL": functions.to_number,
    "VARCHAR": functions.to_text, "TEXT": functions.to_text, "CHAR": functions.to_text,
    "TIMESTAMP": functions.to_time, "TIMESTAMPTZ": functions.to_time, "TIMESTAMPLTZ": functions.to_time,
}  # fmt: skip
_OPERATORS: dict[type[exp.Expression], tuple[Callable[..., Any], tuple[str, ...]]] = {
    exp.Add: (functions.add, ()), exp.Sub: (functions.subtract, ()), exp.Mul: (functions.multiply, ()), exp.Div: (functions.divide, ()),
    exp.DPipe: (functions.concat, ()), exp.And: (functions.logical, ("and_kleene",)), exp.Or: (functions.logical, ("or_kleene",)),
    exp.EQ: (functions.compare, ("equal",)), exp.NEQ: (functions.compare, ("not_equal",)), exp.LT: (functions.compare, ("less",)),
    exp.LTE: (functions.compare, ("less_equal",)), exp.GT: (functions.compare, ("greater",)),
    exp.GTE: (functions.compare, ("greater_equal",)),
}  # fmt: skip


class _Sql(Dialect):
    """Flink's quoting: `names` in backticks, 'texts' in quotes, a backslash is a backslash. Functions are looked up by us."""

    class Tokenizer(tokens.Tokenizer):
        IDENTIFIERS = ["`"]
        QUOTES = ["'"]
        STRING_ESCAPES = ["'"]

    class Parser(parser.Parser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS = {name: read for name, read in parser.Parser.FUNCTION_PARSERS.items() if name == "CAST"}


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
class _Reader:
    """Turns one file into a format."""

    path: Path
    text: str
    options: dict[str, tuple[str, exp.Expression]] = field(default_factory=dict)
    own_grok: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=lambda: ["line"])

    def read(self) -> UserFormat:
        create = self._statement()
        table = create.find(exp.Table)
        schema = create.this
        if not isinstance(schema, exp.Schema) or table is None:
            self._refuse("a format has columns", "write CREATE TABLE name (column AS expression, ...) WITH (...)", create)
        if not _NAME.fullmatch(table.name):
            self._refuse(f"'{table.name}' is no name of a format", "use small letters, digits and _", table.this)
        self._read_options(create)
        pattern = self._pattern("pattern")
        self.names += group_names(pattern)
        keys, values = self._keys()
        if not pattern and not keys and "matches" not in self.options:
            self._refuse("nothing says which lines are of this format", "add 'pattern', 'matches' or 'matches.keys' to WITH", table.this)
        if pattern and keys:
            self._refuse("'pattern' is for texts, 'matches.keys' for JSON lines", "keep one of them", self.options["matches.keys"][1])
        columns, expressions = self._columns(schema)
        made = UserFormat(table.name, tuple(columns), pattern, self._pattern("matches"), keys, values, self.path.name, tuple(expressions))
        for single, column in zip(made.columns, schema.expressions, strict=True):
            self._try(replace(made, columns=(single,)), column)
        return made

    def _statement(self) -> exp.Expression:
        try:
            statements = [
                found for found in parse_sql(self.text, dialect=_Sql) if found is not None and not isinstance(found, exp.Semicolon)
            ]
        except ParseError as error:
            detail = error.errors[0] if error.errors else {}
            line, end = detail.get("line") or 1, detail.get("col") or 1
            word = detail.get("highlight") or ""
            what = f"{(detail.get('description') or 'not SQL').rstrip('.')} at '{word}'" if word else "the statement ends too early"
            at = f"{self.path}:{line}:{max(end - len(word) + 1, 1)}"
            raise SqlError(f"{at}: {what}", "look for a missing comma, bracket, quote or AS just before it") from None
        except TokenError as error:
            raise SqlError(f"{self.path}:1:1: {str(error).splitlines()[0]}", "look for a quote that is not closed") from None
        if not statements or not isinstance(statements[0], exp.Create) or statements[0].kind != "TABLE":
            raise SqlError(f"{self.path}:1:1: no format in it", "write CREATE TABLE name (column AS expression, ...) WITH (...);")
        if len(statements) > 1:
            self._refuse("more than one statement", "put each format into a file of its own", statements[1])
        return statements[0]

    def _read_options(self, create: exp.Expression) -> None:
        properties = create.args.get("properties")
        for option in properties.expressions if properties else ():
            if not isinstance(option, exp.Property) or not isinstance(option.this, exp.Literal):
                self._refuse("not an option", "write WITH ('option' = 'value', ...)", option)
            name, value = option.this.name, option.args["value"]
            if name.startswith("grok."):
                self.own_grok[name.removeprefix("grok.")] = value.name
            elif name not in _OPTIONS:
                near = difflib.get_close_matches(name, _OPTIONS, 1)
                known = f"known: {', '.join(_OPTIONS)}, grok.NAME"
                self._refuse(f"unknown option '{name}'", f"did you mean '{near[0]}'?" if near else known, option.this)
            else:
                self.options[name] = (value.name, value)

    def _pattern(self, option: str) -> str:
        if option not in self.options:
            return ""
        value, node = self.options[option]
        return self._expanded(value, node)

    def _expanded(self, pattern: str, node: exp.Expression) -> str:
        try:
            return expand_pattern(pattern, self.own_grok)
        except GrokError as error:
            self._refuse(error.what, error.mend, node)

    def _keys(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        if "matches.keys" not in self.options:
            return (), ()
        value, node = self.options["matches.keys"]
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts:
            self._refuse("'matches.keys' names no key", "write 'matches.keys' = 'a, b' or 'a, type=b'", node)
        keys = tuple(part.partition("=")[0].strip() for part in parts)
        pairs = [part.partition("=") for part in parts if "=" in part]
        return keys, tuple((key.strip(), text.strip()) for key, _, text in pairs)

    def _columns(self, schema: exp.Expression) -> tuple[list[tuple[str, Expression]], list[tuple[str, str]]]:
        columns: list[tuple[str, Expression]] = []
        expressions: list[tuple[str, str]] = []
        for column in schema.expressions:
            if not isinstance(column, exp.ColumnDef):
                self._refuse("not a column", "write: column AS expression", column)
            name = column.name
            if name not in TARGETS:
                near = difflib.get_close_matches(name, TARGETS, 1)
                self._refuse(f"unknown column '{name}'", f"did you mean '{near[0]}'?" if near else "see docs/columns.md", column.this)
            if name in dict(columns):
                self._refuse(f"column '{name}' is there twice", "join its expressions by COALESCE", column.this)
            kinds = (constraint.args["kind"] for constraint in column.args.get("constraints") or ())
            computed = next((kind.this for kind in kinds if isinstance(kind, exp.ComputedColumnConstraint)), None)
            if computed is None:
                self._refuse(f"column '{name}' says not what fills it", f"write: {name} AS expression", column.this)
            columns.append((name, self._expression(computed)))
            expressions.append((name, self._written(column, computed)))
        if not columns:
            self._refuse("the format has no columns", "write: column AS expression", schema)
        return columns, expressions

    def _written(self, column: exp.Expression, computed: exp.Expression) -> str:
        """The expression as it stands in the file."""
        after = self.text[column.this.meta["end"] + 1 :]
        rest = re.sub(r"^\s*AS\s+", "", after, flags=re.IGNORECASE)
        depth, quoted = 0, False
        for place, char in enumerate(rest):
            quoted ^= char == "'"
            if quoted:
                continue
            depth += (char == "(") - (char == ")")
            if depth < 0 or (char == "," and depth == 0):
                return " ".join(rest[:place].split())
        return computed.sql(dialect=_Sql)

    def _expression(self, node: exp.Expression) -> Expression:
        if isinstance(node, exp.Paren):
            return self._expression(node.this)
        if isinstance(node, exp.Literal):
            return Constant(node.name if node.is_string else _number(node.name))
        if isinstance(node, exp.Null):
            return Constant(None)
        if isinstance(node, exp.Column):
            return self._name(node)
        if type(node) in _OPERATORS:
            run, options = _OPERATORS[type(node)]
            return Call(node.key, run, (self._expression(node.this), self._expression(node.expression)), options)
        if isinstance(node, exp.Anonymous):
            return self._call(node)
        other = self._keyword(node)
        if other is None:
            self._refuse(f"'{node.sql(dialect=_Sql)[:60]}' is not known here", f"known functions: {', '.join(sorted(_FUNCTIONS))}", node)
        return other

    def _keyword(self, node: exp.Expression) -> Expression | None:
        """CASE, IF, CAST, NOT, IN, LIKE, IS NULL and the minus sign."""
        if isinstance(node, exp.Case):
            if node.this is not None:
                self._refuse("CASE value WHEN is not known", "write CASE WHEN value = ... THEN", node)
            return self._case(node.args["ifs"], node.args.get("default"))
        if isinstance(node, exp.If):
            return self._case([node], node.args.get("false"))
        if isinstance(node, exp.Cast):
            kind = node.to.this.name if isinstance(node.to.this, exp.DataType.Type) else str(node.to)
            if kind not in _TYPES:
                self._refuse(f"cannot cast to {node.to.sql()}", "use INT, BIGINT, DOUBLE, STRING or TIMESTAMP", node)
            return Call("cast", _TYPES[kind], (self._expression(node.this),))
        if isinstance(node, exp.Neg):
            return Call("negate", functions.negate, (self._expression(node.this),))
        if isinstance(node, exp.Not):
            return Call("not", functions.invert, (self._expression(node.this),))
        if isinstance(node, exp.In) and node.expressions:
            return Call("in", functions.is_in, tuple(map(self._expression, (node.this, *node.expressions))))
        if isinstance(node, exp.Like):
            return Call("like", functions.like, (self._expression(node.this),), (self._text(node.expression),))
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return Call("is_null", functions.is_null, (self._expression(node.this),))
        return None

    def _case(self, branches: list[exp.Expression], default: exp.Expression | None) -> Expression:
        parts = [self._expression(part) for branch in branches for part in (branch.this, branch.args["true"])]
        return Call("case", functions.case, (*parts, Constant(None) if default is None else self._expression(default)))

    def _name(self, node: exp.Expression) -> Expression:
        name = node.name
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, 1)
            known = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(self.names)}"
            self._refuse(f"no group '{name}' in the pattern", known, node)
        return Name(name)

    def _call(self, node: exp.Expression) -> Expression:
        name = node.name.upper()
        if name not in _FUNCTIONS:
            near = difflib.get_close_matches(name, _FUNCTIONS, 1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(_FUNCTIONS))}"
            self._refuse(f"unknown function {name}", known, node)
        usage, least, most, build = _FUNCTIONS[name]
        arguments = node.expressions
        if not least <= len(arguments) <= most:
            self._refuse(f"{name} takes other arguments", f"write {usage}", node)
        return build(self, node, arguments)

    def _text(self, node: exp.Expression) -> str:
        if not isinstance(node, exp.Literal) or not node.is_string:
            self._refuse(f"'{node.sql(dialect=_Sql)[:40]}' must be a text", "write it in quotes", node)
        return node.name

    def _integer(self, node: exp.Expression) -> int:
        if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
            self._refuse(f"'{node.sql(dialect=_Sql)[:40]}' must be a whole number", "write e.g. 0", node)
        return int(node.name)

    def _path(self, node: exp.Expression) -> tuple[str | int, ...]:
        text = self._text(node)
        steps: list[str | int] = []
        at = 1
        while at < len(text):
            match = _PATH_STEP.match(text, at)
            if match is None:
                break
            name, quoted, bracketed, index = match.groups()
            steps.append(int(index) if index is not None else name or quoted or bracketed)
            at = match.end()
        if not text.startswith("$") or at < len(text) or not steps:
            self._refuse(f"'{text}' is no path", "write e.g. '$.a.b', '$.list[0]' or '$[''a.b'']'", node)
        return tuple(steps)

    def _try(self, made: UserFormat, node: exp.Expression) -> None:
        """Run it once over a line, so that types which do not go together are told now."""
        try:
            if made.is_json:
                made.parse_objects([{}, {key: "1" for key in made.keys}], np.arange(2))
            else:
                names = {name: pa.array(["1", None]) for name in self.names}
                made.read_rows(Rows(2, names), np.arange(2))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, TypeError, AttributeError) as error:
            self._refuse(f"types do not go together: {str(error).splitlines()[0][:150]}", "CAST to the type that is needed", node)

    def _refuse(self, what: str, mend: str, node: exp.Expr | None = None) -> NoReturn:
        start = next((n.meta["start"] for n in node.walk() if "start" in n.meta), 0) if node is not None else 0
        line = self.text.count("\n", 0, start) + 1
        column = start - self.text.rfind("\n", 0, start)
        raise SqlError(f"{self.path}:{line}:{column}: {what}", mend)


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


_Build = Callable[[_Reader, exp.Expression, list[exp.Expression]], Expression]


def _plain(name: str, run: Callable[..., Any]) -> _Build:
    return lambda reader, node, arguments: Call(name, run, tuple(map(reader._expression, arguments)))


def _json_value(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    return Call("json_value", functions.json_value, (reader._expression(arguments[0]),), (reader._path(arguments[1]),), is_lazy=True)


def _split_index(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    separator = reader._text(arguments[1])
    if not separator:
        reader._refuse("the separator is empty", "write e.g. SPLIT_INDEX(line, '|', 3)", arguments[1])
    options = (separator, reader._integer(arguments[2]))
    return Call("split_index", functions.split_index, (reader._expression(arguments[0]),), options, is_lazy=True)


def _extract(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    """REGEXP_EXTRACT(text, expression, group) and GROK(text, pattern): the numbered, or the only named group."""
    written = reader._text(arguments[1])
    if node.name.upper() == "GROK":
        expression = reader._expanded(written, arguments[1])
        group = 1
    else:
        expression = reader._expanded(_numbered(written), arguments[1])
        group = reader._integer(arguments[2]) if len(arguments) > 2 else 1
    names = group_names(expression)
    if group == 0:
        expression, names, group = f"(?P<whole>{expression})", ["whole"], 1
    if not 1 <= group <= len(names):
        reader._refuse(f"the expression has {len(names)} groups", "name one of them: (...) or %{NUMBER:took}", arguments[1])
    return Call("extract", functions.extract, (reader._expression(arguments[0]),), (expression, names[group - 1]), is_lazy=True)


def _numbered(pattern: str) -> str:
    """Names for groups that have none, so that a number can mean them."""
    count = 0

    def name(match: re.Match[str]) -> str:
        nonlocal count
        if match.group(0) != "(":
            return match.group(0)
        count += 1
        return f"(?P<g{count}>"

    return re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)", name, pattern, flags=re.DOTALL)


def _regex(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    texts = [reader._text(argument) for argument in arguments[1:]]
    if node.name.upper() == "REPLACE":
        return Call("replace", functions.replace, (reader._expression(arguments[0]),), tuple(texts))
    expanded = reader._expanded(_numbered(texts[0]), arguments[1])
    run = functions.replace_regex if len(texts) > 1 else functions.matches
    replacement = (re.sub(r"\$(\d)", r"\\\1", texts[1]),) if len(texts) > 1 else ()
    return Call(node.name.lower(), run, (reader._expression(arguments[0]),), (expanded, *replacement))


def _substring(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    return Call("substring", functions.substring, (reader._expression(arguments[0]),), tuple(map(reader._integer, arguments[1:])))


def _trim(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    return Call("trim", functions.trim, (reader._expression(arguments[0]),), tuple(map(reader._text, arguments[1:])))


def _timestamp(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    value = reader._expression(arguments[0])
    if len(arguments) == 1:
        return Call("to_timestamp", functions.to_time, (value,))
    zone, zone_node = reader.options.get("time-zone", ("UTC", None))
    try:
        pattern = time_pattern(reader._text(arguments[1]), zone)
    except ValueError as error:
        is_zone = "zone" in str(error)
        reader._refuse(f"no time pattern: {error}", "e.g. 'dd/MMM/yyyy:HH:mm:ss Z', 'time-zone' = 'Europe/Berlin'",
                       zone_node if is_zone else arguments[1])  # fmt: skip
    return Call("to_timestamp", functions.to_time_of_pattern, (value,), (pattern,))


def _timestamp_ltz(reader: _Reader, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    precision = reader._integer(arguments[1])
    if precision not in (0, 3, 6, 9):
        reader._refuse(f"no precision {precision}", "0 = seconds, 3 = ms, 6 = us, 9 = ns", arguments[1])
    return Call("to_timestamp_ltz", functions.to_time_of_precision, (reader._expression(arguments[0]),), (precision,))


_MANY = 50
_FUNCTIONS: dict[str, tuple[str, int, int, _Build]] = {
    "JSON_VALUE": ("JSON_VALUE(line, '$.a.b')", 2, 2, _json_value),
    "SPLIT_INDEX": ("SPLIT_INDEX(line, '|', 3)", 3, 3, _split_index),
    "REGEXP_EXTRACT": ("REGEXP_EXTRACT(line, 'took=([0-9]+)', 1)", 2, 3, _extract),
    "GROK": ("GROK(line, 'took=%{NUMBER:took}')", 2, 2, _extract),
    "REGEXP": ("REGEXP(line, '^a')", 2, 2, _regex),
    "REGEXP_REPLACE": ("REGEXP_REPLACE(path, '^/v[0-9]+', '')", 3, 3, _regex),
    "REPLACE": ("REPLACE(path, '+', ' ')", 3, 3, _regex),
    "UPPER": ("UPPER(method)", 1, 1, _plain("upper", functions.upper)),
    "LOWER": ("LOWER(id)", 1, 1, _plain("lower", functions.lower)),
    "TRIM": ("TRIM(text) or TRIM(text, '[]')", 1, 2, _trim),
    "SUBSTRING": ("SUBSTRING(text, 1, 8)", 2, 3, _substring),
    "CONCAT": ("CONCAT(a, '/', b)", 1, _MANY, _plain("concat", functions.concat)),
    "COALESCE": ("COALESCE(a, b)", 1, _MANY, _plain("coalesce", functions.coalesce)),
    "NULLIF": ("NULLIF(status, '0')", 2, 2, _plain("null_if", functions.null_if)),
    "TO_TIMESTAMP": ("TO_TIMESTAMP(time, 'yyyy-MM-dd HH:mm:ss')", 1, 2, _timestamp),
    "TO_TIMESTAMP_LTZ": ("TO_TIMESTAMP_LTZ(milliseconds, 3)", 2, 2, _timestamp_ltz),
    "URL_DECODE": ("URL_DECODE(agent)", 1, 1, _plain("url_decode", functions.url_decode)),
    "TRACE_ID": ("TRACE_ID(traceparent)", 1, 1, _plain("trace_id", functions.trace_id)),
    "SPAN_ID": ("SPAN_ID(traceparent)", 1, 1, _plain("span_id", functions.span_id)),
    "REQUEST_ID": ("REQUEST_ID(header)", 1, 1, _plain("request_id", functions.request_id)),
}
"""Function -> how it is written, least and most arguments, what compiles it."""
