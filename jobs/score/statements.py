"""SQL files cut into statements that know where they stand."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from schemas.errors import SqlError

__all__ = ["Statement", "read_statements", "split_statements"]

_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|`[^`]*`|;|['`]|/\*", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One statement of a file."""

    text: str
    """Without the closing semicolon, after as many empty lines as precede it in the file: so the line and column of a parser's
    message are those of the file."""
    path: Path
    line: int
    """Line of its first word, from 1."""

    @property
    def sql(self) -> str:
        """The statement without the empty lines."""
        return self.text.lstrip("\n")


def read_statements(path: Path, values: Mapping[str, Any] | None = None) -> list[Statement]:
    """Read a file, fill the names in braces, and cut it into statements.

    Raises
    ------
    SqlError
        Unreadable file, unknown name in braces, or a quote that is not closed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SqlError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from None
    except OSError as error:
        raise SqlError(f"cannot read {path}: {error.strerror}", "name a folder that holds flink/score.sql by --sql-dir") from None
    return list(split_statements(_fill(text, path, values or {}), path))


def split_statements(text: str, path: Path) -> Iterator[Statement]:
    r"""Cut at semicolons outside of strings, names and comments; parts of comments only are dropped.

    Examples
    --------
    >>> [s.line for s in split_statements("-- a;b\nSELECT ';';\n\nSELECT 2", Path("x.sql"))]
    [2, 4]
    """
    start = 0
    code_start = None  # where the statement's first word stands
    position = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        between = text[position : match.start()]
        if code_start is None and between.strip():
            code_start = position + len(between) - len(between.lstrip())
        position = match.end()
        if token in ("'", "`", "/*"):
            line, column = _position(text, match.start())
            raise SqlError(f"{path}:{line}:{column}: {token} is opened here and never closed", "close it")
        if token == ";":
            if code_start is not None:
                yield _statement(text, start, code_start, match.start(), path)
            start, code_start = match.end(), None
        elif code_start is None and token[0] in "'`":
            code_start = match.start()
    rest = text[position:]
    if code_start is None and rest.strip():
        code_start = position + len(rest) - len(rest.lstrip())
    if code_start is not None:
        yield _statement(text, start, code_start, len(text), path)


def _statement(text: str, start: int, code_start: int, end: int, path: Path) -> Statement:
    line, column = _position(text, code_start)
    # Calcite counts lines of the text it is given: empty lines and blanks stand for what comes before.
    return Statement("\n" * (line - 1) + " " * (column - 1) + text[code_start:end].rstrip(), path, line)


def _position(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _fill(text: str, path: Path, values: Mapping[str, Any]) -> str:
    if "{{" not in text and "{%" not in text:
        return text
    try:
        # keep_trailing_newline and no trimming: lines stay where they are
        return (
            jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
            .from_string(text)
            .render(values)
        )
    except jinja2.TemplateSyntaxError as error:
        raise SqlError(f"{path}:{error.lineno}:1: {error.message}", "names in braces look like {{ topic }}") from None
    except jinja2.UndefinedError as error:
        name = (re.search(r"'([^']+)' is undefined", str(error)) or [None, "?"])[1]
        found = re.search(r"\{[{%][^}]*\b" + re.escape(str(name)) + r"\b", text)
        line, column = _position(text, found.end() - len(str(name))) if found else (1, 1)
        near = difflib.get_close_matches(str(name), list(values), 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(values)) or 'none'}"
        raise SqlError(f"{path}:{line}:{column}: unknown name in braces '{name}'", hint) from None
