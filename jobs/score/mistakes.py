"""What Flink says about a statement, as one line with file, line, column and a hint."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from jobs.score.statements import Statement
from schemas.errors import SqlError

__all__ = ["Mistake", "read_mistake", "root_cause", "told"]

_POSITION = re.compile(r"(?:From|At|at) line (\d+), column (\d+)")
_COLUMN = re.compile(r"Column '([^']+)' not found")
_FUNCTION = re.compile(r"No match found for function signature ([^(\s]+)\(")
_OBJECT = re.compile(r"Object '([^']+)' not found")
_PARSE = re.compile(r'Encountered "([^"]*)"')
_CLASS = re.compile(r"^[\w.$]+(?:Exception|Error): ")
_RESERVED = ("FROM", "SELECT", "WHERE", "WITH", "CASE", "WHEN", "THEN", "ELSE", "END", "CREATE", "TEMPORARY", "VIEW", "CAST", "AND")


@dataclass(frozen=True)
class Mistake:
    """One mistake in a statement."""

    what: str
    line: int
    column: int
    unknown: str = ""
    """The column, function or table that is not known; '' when the mistake is another."""
    near: str = ""
    """The known name nearest to it; '' when there is none."""
    hint: str = ""

    def error(self, statement: Statement) -> SqlError:
        """As what the user is told."""
        return SqlError(f"{statement.path}:{self.line}:{self.column}: {self.what}", self.hint)


def told(error: Exception, statement: Statement, t_env: Any) -> SqlError:
    """What a person is told about a statement that Flink refused."""
    return error if isinstance(error, SqlError) else read_mistake(error, statement, t_env).error(statement)


def read_mistake(error: Exception, statement: Statement, t_env: Any) -> Mistake:
    """Flink's message, its place in the file, and a guess at what was meant."""
    text = str(error)
    position = _POSITION.search(text)
    line, column = (int(position[1]), int(position[2])) if position else (statement.line, 1)
    if match := _COLUMN.search(text):
        return _unknown("column", match[1].split(".")[-1], line, column, _columns(statement, t_env))
    if match := _FUNCTION.search(text):
        # Flink says the same of a known function with wrong arguments
        functions = {name.lower() for name in t_env.list_functions()}
        if match[1].strip("`").lower() in functions:
            signature = text[match.start(1) :].split("\n", 1)[0]
            return Mistake(f"no such form of the function: {signature}", line, column, hint="see its arguments in functions.sql")
        return _unknown("function", match[1].strip("`"), line, column, sorted(functions))
    if match := _OBJECT.search(text):
        return _unknown("table", match[1], line, column, [*t_env.list_tables(), *_names(statement)])
    if "Instantiating python function" in text or "Cannot instantiate user-defined function" in text:
        name = (re.search(r"python function '([^']+)'", text) or [None, "?"])[1]
        cause = re.findall(r"^(?:\w*Error|\w*Exception): (.*)$", text, re.MULTILINE)
        return Mistake(f"cannot load '{name}': {cause[-1] if cause else 'not found'}", line, column, hint="see udfs/registry.py")
    if match := _PARSE.search(text):
        return _misplaced(match[1].replace("\\'", "'"), line, column)
    return Mistake(_first_line(text), line, column, hint=_advice(text))


def root_cause(text: str) -> str:
    """The innermost message of a failed job: the Python exception of a worker if there is one, else the last cause."""
    lines = text.splitlines()
    # a worker's traceback ends in an unindented line `SomeError: message`; Java's lines are indented or start with a package
    raised = [
        x for x in lines if re.match(r"^(?:[A-Z]\w*|[a-z_]+(?:\.\w+)*\.[A-Z]\w*)(?:Error|Exception|Part|Record): ", x) and "java" not in x
    ]
    causes = [_CLASS.sub("", x.removeprefix("Caused by: ")) for x in lines if x.startswith("Caused by: ")]
    return (raised or causes or lines or ["?"])[-1]


def _unknown(kind: str, name: str, line: int, column: int, known: list[str]) -> Mistake:
    lowered = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), lowered, 1, 0.6)
    suggestion = lowered[near[0]] if near else ""
    hint = f"did you mean '{suggestion}'?" if suggestion else f"there is no {kind} of a similar name"
    return Mistake(f"unknown {kind} '{name}'", line, column, name, suggestion, hint)


def _misplaced(word: str, line: int, column: int) -> Mistake:
    if word in ("<EOF>", ""):
        return Mistake("the statement ends too early", line, column, hint="look for a missing bracket, END or name")
    if word.lower() in ("value", "time", "lower", "upper", "timestamp"):
        return Mistake(f"'{word}' is a word of SQL", line, column, hint=f"write `{word}` in backticks to mean the column")
    near = difflib.get_close_matches(word.upper(), _RESERVED, 1, 0.7)
    hint = (
        f"did you mean '{near[0]}'?" if near and near[0] != word.upper() else "look for a missing comma, bracket or keyword just before it"
    )
    return Mistake(f"'{word}' is not expected here", line, column, hint=hint)


def _columns(statement: Statement, t_env: Any) -> list[str]:
    """Columns of all tables there are, and the names the statement itself gives."""
    columns: list[str] = []
    for table in t_env.list_tables():
        columns.extend(t_env.from_path(f"`{table}`").get_schema().get_field_names())
    return [*dict.fromkeys(columns), *_names(statement)]


def _names(statement: Statement) -> list[str]:
    named = re.findall(r"\bAS\s+`?([a-z_]\w*)`?", statement.text, re.IGNORECASE)
    return [*named, *re.findall(r"`?\b([a-z_]\w*)`?\s+AS\s*\(", statement.text, re.IGNORECASE)]


def _first_line(text: str) -> str:
    """The message alone: no Java class, no position, no stack."""
    lines = text.splitlines()
    first = next((x[2:] for x in lines if x.startswith(": ")), lines[0] if lines else text)
    causes = [x.removeprefix("Caused by: ") for x in lines if x.startswith("Caused by: ")]
    if causes and ("Unable to create a source" in first or "Cannot generate" in first):
        first = causes[-1]
    first = re.sub(r"^(?:From|At) line \d+, column \d+(?: to line \d+, column \d+)?: ", "", _CLASS.sub("", first))
    return first.removeprefix("SQL parse failed. ").removeprefix("SQL validation failed. ").strip()


def _advice(text: str) -> str:
    if "implicit type conversion" in text or "Cannot apply" in text:
        return "compare like with like: CAST(... AS DOUBLE) or CAST(... AS STRING)"
    if "Could not find any factory for identifier 'kafka'" in text:
        return "run make setup, which fetches the Kafka connector into build/jars"
    if "Expected a boolean type" in text:
        return "write a condition after WHEN, AND and WHERE"
    return "see sql/README.md"
