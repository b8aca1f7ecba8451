"""The functions that a format's expressions may call: how each is written, and what compiles it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from udfs.formats import user_functions as functions
from udfs.formats.user_expressions import Call, Expression
from udfs.formats.user_grok import group_names
from udfs.formats.user_times import time_pattern

if TYPE_CHECKING:
    from udfs.formats.user_compile import Compiler

__all__ = ["FUNCTIONS"]

_Build = Callable[["Compiler", exp.Expression, list[exp.Expression]], Expression]


def _plain(name: str, run: Callable[..., Any]) -> _Build:
    return lambda compiler, node, arguments: Call(name, run, tuple(map(compiler.expression, arguments)))


def _json_value(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    return Call("json_value", functions.json_value, (compiler.expression(arguments[0]),), (compiler.path(arguments[1]),), is_lazy=True)


def _split_index(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    separator = compiler.text(arguments[1])
    if not separator:
        compiler.refuse("the separator is empty", "write e.g. SPLIT_INDEX(line, '|', 3)", arguments[1])
    options = (separator, compiler.integer(arguments[2]))
    return Call("split_index", functions.split_index, (compiler.expression(arguments[0]),), options, is_lazy=True)


def _extract(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    """REGEXP_EXTRACT(text, expression, group) and GROK(text, pattern): the numbered, or the only named group."""
    written = compiler.text(arguments[1])
    if node.name.upper() == "GROK":
        expression = compiler.expanded(written, arguments[1])
        group = 1
    else:
        expression = compiler.expanded(_numbered(written), arguments[1])
        group = compiler.integer(arguments[2]) if len(arguments) > 2 else 1
    names = group_names(expression)
    if group == 0:
        expression, names, group = f"(?P<whole>{expression})", ["whole"], 1
    if not 1 <= group <= len(names):
        compiler.refuse(f"the expression has {len(names)} groups", "name one of them: (...) or %{NUMBER:took}", arguments[1])
    return Call("extract", functions.extract, (compiler.expression(arguments[0]),), (expression, names[group - 1]), is_lazy=True)


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


def _regex(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    texts = [compiler.text(argument) for argument in arguments[1:]]
    if node.name.upper() == "REPLACE":
        return Call("replace", functions.replace, (compiler.expression(arguments[0]),), tuple(texts))
    expanded = compiler.expanded(_numbered(texts[0]), arguments[1])
    run = functions.replace_regex if len(texts) > 1 else functions.matches
    replacement = (re.sub(r"\$(\d)", r"\\\1", texts[1]),) if len(texts) > 1 else ()
    return Call(node.name.lower(), run, (compiler.expression(arguments[0]),), (expanded, *replacement))


def _substring(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    return Call("substring", functions.substring, (compiler.expression(arguments[0]),), tuple(map(compiler.integer, arguments[1:])))


def _trim(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    return Call("trim", functions.trim, (compiler.expression(arguments[0]),), tuple(map(compiler.text, arguments[1:])))


def _timestamp(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    value = compiler.expression(arguments[0])
    if len(arguments) == 1:
        return Call("to_timestamp", functions.to_time, (value,))
    zone, zone_node = compiler.options.get("time-zone", ("UTC", None))
    try:
        pattern = time_pattern(compiler.text(arguments[1]), zone)
    except ValueError as error:
        is_zone = "zone" in str(error)
        compiler.refuse(f"no time pattern: {error}", "e.g. 'dd/MMM/yyyy:HH:mm:ss Z', 'time-zone' = 'Europe/Berlin'",
                       zone_node if is_zone else arguments[1])  # fmt: skip
    return Call("to_timestamp", functions.to_time_of_pattern, (value,), (pattern,))


def _timestamp_ltz(compiler: Compiler, node: exp.Expression, arguments: list[exp.Expression]) -> Expression:
    precision = compiler.integer(arguments[1])
    if precision not in (0, 3, 6, 9):
        compiler.refuse(f"no precision {precision}", "0 = seconds, 3 = ms, 6 = us, 9 = ns", arguments[1])
    return Call("to_timestamp_ltz", functions.to_time_of_precision, (compiler.expression(arguments[0]),), (precision,))


_MANY = 50
FUNCTIONS: dict[str, tuple[str, int, int, _Build]] = {
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
