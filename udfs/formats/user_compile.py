"""Compiles the SQL of a format's expressions into trees that run column by column."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect

from schemas.errors import SqlError
from udfs.formats import user_functions as functions
from udfs.formats.user_calls import FUNCTIONS
from udfs.formats.user_expressions import Call, Constant, Expression, Name
from udfs.formats.user_grok import GrokError, expand_pattern

__all__ = ["Compiler", "FormatSql"]

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


class FormatSql(Dialect):
    """Flink's quoting: `names` in backticks, 'texts' in quotes, a backslash is a backslash. Functions are looked up by us."""

    class Tokenizer(tokens.Tokenizer):
        """Quotes."""

        IDENTIFIERS = ["`"]
        QUOTES = ["'"]
        STRING_ESCAPES = ["'"]

    class Parser(parser.Parser):
        """No functions of its own but CAST."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS = {name: read for name, read in parser.Parser.FUNCTION_PARSERS.items() if name == "CAST"}


@dataclass
class Compiler:
    """Compiles the expressions of one file; tells mistakes with their place in it."""

    file: Path
    sql: str
    """Text of the file."""
    options: dict[str, tuple[str, exp.Expression]] = field(default_factory=dict)
    """Options of WITH and where they stand."""
    own_grok: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=lambda: ["line"])
    """What an expression may name: the line and the groups of the pattern."""

    def expression(self, node: exp.Expression) -> Expression:
        """Compile an expression."""
        if isinstance(node, exp.Paren):
            return self.expression(node.this)
        if isinstance(node, exp.Literal):
            return Constant(node.name if node.is_string else _number(node.name))
        if isinstance(node, exp.Null):
            return Constant(None)
        if isinstance(node, exp.Column):
            return self._name(node)
        if type(node) in _OPERATORS:
            run, options = _OPERATORS[type(node)]
            return Call(node.key, run, (self.expression(node.this), self.expression(node.expression)), options)
        if isinstance(node, exp.Anonymous):
            return self._call(node)
        other = self._keyword(node)
        if other is None:
            self.refuse(f"'{node.sql(dialect=FormatSql)[:60]}' is not known here", f"known functions: {', '.join(sorted(FUNCTIONS))}", node)
        return other

    def _keyword(self, node: exp.Expression) -> Expression | None:
        """CASE, IF, CAST, NOT, IN, LIKE, IS NULL and the minus sign."""
        if isinstance(node, exp.Case):
            if node.this is not None:
                self.refuse("CASE value WHEN is not known", "write CASE WHEN value = ... THEN", node)
            return self._case(node.args["ifs"], node.args.get("default"))
        if isinstance(node, exp.If):
            return self._case([node], node.args.get("false"))
        if isinstance(node, exp.Cast):
            kind = node.to.this.name if isinstance(node.to.this, exp.DataType.Type) else str(node.to)
            if kind not in _TYPES:
                self.refuse(f"cannot cast to {node.to.sql()}", "use INT, BIGINT, DOUBLE, STRING or TIMESTAMP", node)
            return Call("cast", _TYPES[kind], (self.expression(node.this),))
        if isinstance(node, exp.Neg):
            return Call("negate", functions.negate, (self.expression(node.this),))
        if isinstance(node, exp.Not):
            return Call("not", functions.invert, (self.expression(node.this),))
        if isinstance(node, exp.In) and node.expressions:
            return Call("in", functions.is_in, tuple(map(self.expression, (node.this, *node.expressions))))
        if isinstance(node, exp.Like):
            return Call("like", functions.like, (self.expression(node.this),), (self.text(node.expression),))
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return Call("is_null", functions.is_null, (self.expression(node.this),))
        return None

    def _case(self, branches: list[exp.Expression], default: exp.Expression | None) -> Expression:
        parts = [self.expression(part) for branch in branches for part in (branch.this, branch.args["true"])]
        return Call("case", functions.case, (*parts, Constant(None) if default is None else self.expression(default)))

    def _name(self, node: exp.Expression) -> Expression:
        name = node.name
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, 1)
            known = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(self.names)}"
            self.refuse(f"no group '{name}' in the pattern", known, node)
        return Name(name)

    def _call(self, node: exp.Expression) -> Expression:
        name = node.name.upper()
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, 1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(FUNCTIONS))}"
            self.refuse(f"unknown function {name}", known, node)
        usage, least, most, build = FUNCTIONS[name]
        arguments = node.expressions
        if not least <= len(arguments) <= most:
            self.refuse(f"{name} takes other arguments", f"write {usage}", node)
        return build(self, node, arguments)

    def expanded(self, pattern: str, node: exp.Expression) -> str:
        """Grok and named groups as one regular expression of RE2."""
        try:
            return expand_pattern(pattern, self.own_grok)
        except GrokError as error:
            self.refuse(error.what, error.mend, node)

    def text(self, node: exp.Expression) -> str:
        """The text of a literal."""
        if not isinstance(node, exp.Literal) or not node.is_string:
            self.refuse(f"'{node.sql(dialect=FormatSql)[:40]}' must be a text", "write it in quotes", node)
        return node.name

    def integer(self, node: exp.Expression) -> int:
        """The value of a literal whole number."""
        if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
            self.refuse(f"'{node.sql(dialect=FormatSql)[:40]}' must be a whole number", "write e.g. 0", node)
        return int(node.name)

    def path(self, node: exp.Expression) -> tuple[str | int, ...]:
        """The steps of a JSON path."""
        text = self.text(node)
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
            self.refuse(f"'{text}' is no path", "write e.g. '$.a.b', '$.list[0]' or '$[''a.b'']'", node)
        return tuple(steps)

    def refuse(self, what: str, mend: str, node: exp.Expr | None = None) -> NoReturn:
        """Raise the mistake with the place of the node."""
        start = next((n.meta["start"] for n in node.walk() if "start" in n.meta), 0) if node is not None else 0
        line = self.sql.count("\n", 0, start) + 1
        column = start - self.sql.rfind("\n", 0, start)
        raise SqlError(f"{self.file}:{line}:{column}: {what}", mend)


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)
