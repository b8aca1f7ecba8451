"""What Grafana 13 and its ClickHouse data source do to a query before the store sees it.

Three steps, in the order of the real thing: the data source's browser part removes `$__conditionalAll`, Grafana's template
service puts in variables, the data source's backend expands the macros (after blanking comments). Written from the behaviour of
grafana-clickhouse-datasource 4.x, including its oddities: arguments are split without regard to quotes, and only the value ''
or '$__all' means "all".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["ALL", "Range", "expand"]

Value = str | list[str]
ALL = ["$__all"]

_CONDITIONAL = "$__conditionalAll("
_VARIABLE = re.compile(
    r"\$(?P<plain>\w+)|\[\[(?P<old>\w+)(?::(?P<old_format>\w+))?\]\]|\$\{(?P<name>\w+)(?:\.[^:}]+)?(?::(?P<format>[^}]+))?\}"
)


_STRING_OR_COMMENT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Range:
    """The time picker, epoch ms, and the interval Grafana derived from it, ms."""

    from_ms: int
    to_ms: int
    interval_ms: int = 15_000


def expand(sql: str, variables: Mapping[str, Value], options: Mapping[str, list[str]], time: Range) -> str:
    """The text the store receives. `options`: per variable all values, which "All" stands for."""
    return _macros(_template(_conditional_all(sql, variables), variables, options, time), time)


def _conditional_all(sql: str, variables: Mapping[str, Value]) -> str:
    start = sql.rfind(_CONDITIONAL)
    while start != -1:
        arguments = _split_ignoring_quotes(sql[start + len(_CONDITIONAL) - 1 :])
        if len(arguments) != 2:
            return sql
        condition, variable = arguments
        name = re.search(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+", variable.strip())
        phrase = condition
        if name and name.group() in variables:
            value = variables[name.group()]
            if (",".join(value) if isinstance(value, list) else value) in ("", "$__all"):
                phrase = "1=1"
        sql = sql.replace(f"{_CONDITIONAL}{condition},{variable})", phrase, 1)
        start = sql.rfind(_CONDITIONAL)
    return sql


def _split_ignoring_quotes(text: str) -> list[str]:
    """Arguments of the call that `text` begins with at its '('; [] when it never closes."""
    depth, last, arguments = 0, 1, []
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        if character == "," and depth == 1:
            arguments.append(text[last:position])
            last = position + 1
        if depth == 0:
            return [*arguments, text[last:position]]
    return []


def _template(sql: str, variables: Mapping[str, Value], options: Mapping[str, list[str]], time: Range) -> str:
    globals_: dict[str, str] = {
        "__interval": f"{time.interval_ms // 1000}s",
        "__interval_ms": str(time.interval_ms),
        "__from": str(time.from_ms),
        "__to": str(time.to_ms),
        "__range": f"{(time.to_ms - time.from_ms) // 1000}s",
        "__range_s": str((time.to_ms - time.from_ms) // 1000),
        "__range_ms": str(time.to_ms - time.from_ms),
    }

    def put_in(match: re.Match[str]) -> str:
        name = match["plain"] or match["old"] or match["name"]
        form = match["format"] or match["old_format"] or ""
        if name in globals_:
            return globals_[name]
        if name not in variables:
            return match.group()
        value = variables[name]
        if value in (ALL, "$__all"):
            value = options[name]
        return _format(value, form)

    return _VARIABLE.sub(put_in, sql)


def _format(value: Value, form: str) -> str:
    values = value if isinstance(value, list) else [value]
    if form == "sqlstring":
        return ",".join("'" + v.replace("'", "''") + "'" for v in values)
    if form == "singlequote":
        return ",".join("'" + v.replace("'", "\\'") + "'" for v in values)
    if form == "doublequote":
        return ",".join('"' + v.replace('"', '\\"') + '"' for v in values)
    if form in ("csv", "raw"):
        return ",".join(values)
    # No format: the data source quotes lists and leaves single values bare.
    return "'" + "','".join(values) + "'" if isinstance(value, list) else value


def _seconds(ms: int) -> str:
    return f"toDateTime({ms // 1000})"


def _millis(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _date(ms: int) -> str:
    return f"toDate('{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}')"


def _between(form: Callable[[int], str]) -> Callable[[Range, list[str]], str]:
    return lambda time, a: f"{_one(a)} >= {form(time.from_ms)} AND {_one(a)} <= {form(time.to_ms)}"


def _one(arguments: list[str]) -> str:
    if len(arguments) != 1:
        raise ValueError(f"macro expected 1 argument, received {len(arguments)}")
    return arguments[0]


def _date_and_time(time: Range, a: list[str]) -> str:
    day, instant = a
    return f"({_between(_date)(time, [day])}) AND ({_between(_seconds)(time, [instant])})"


_MACROS: dict[str, Callable[[Range, list[str]], str]] = {
    "fromTime": lambda time, a: _seconds(time.from_ms),
    "toTime": lambda time, a: _seconds(time.to_ms),
    "fromTime_ms": lambda time, a: _millis(time.from_ms),
    "toTime_ms": lambda time, a: _millis(time.to_ms),
    "timeFilter": _between(_seconds),
    "timeFilter_ms": _between(_millis),
    "dateFilter": _between(_date),
    "dateTimeFilter": _date_and_time,
    "dt": _date_and_time,
    "timeInterval": lambda time, a: f"toStartOfInterval(toDateTime({_one(a)}), INTERVAL {max(time.interval_ms // 1000, 1)} second)",
    "timeInterval_ms": lambda time, a: f"toStartOfInterval(toDateTime64({_one(a)}, 3), INTERVAL {max(time.interval_ms, 1)} millisecond)",
    "interval_s": lambda time, a: str(max(time.interval_ms // 1000, 1)),
}


def _macros(sql: str, time: Range) -> str:
    sql = _STRING_OR_COMMENT.sub(lambda m: m.group() if m.group()[0] in "'\"`" else " " * len(m.group()), sql)
    for name in sorted(_MACROS, key=len, reverse=True):
        sql = _replace_macro(sql, name, time)
    return sql


def _replace_macro(sql: str, name: str, time: Range) -> str:
    token, out = f"$__{name}", []
    while (at := sql.find(token)) != -1:
        after = at + len(token)
        if re.match(r"\w", sql[after : after + 1]):
            out.append(sql[:after])
            sql = sql[after:]
            continue
        out.append(sql[:at])
        sql = sql[after:]
        arguments: list[str] = []
        if sql.startswith("("):
            arguments, length = _arguments(sql)
            sql = sql[length:]
        out.append(_MACROS[name](time, arguments))
    return "".join(out) + sql


def _arguments(text: str) -> tuple[list[str], int]:
    """Arguments of the call `text` begins with (quotes respected) and the length of the call."""
    depth, last, quote, arguments = 0, 1, "", []
    for position, character in enumerate(text):
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                arguments.append(text[last:position].strip())
                return [a for a in arguments if a], position + 1
        elif character == "," and depth == 1:
            arguments.append(text[last:position].strip())
            last = position + 1
    raise ValueError(f"unbalanced parentheses: {text[:60]}")
