"""What a SQL text is, as far as HTTP must know: its verb, its output format, and where inline data begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Statement", "read_statement", "split_statements"]

_TOKEN = re.compile(
    rb"""(?P<space>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
    |(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<other>\d[\w.]*|.)""",
    re.DOTALL | re.VERBOSE,
)
_DATA_GAP = re.compile(rb"[ \t\f]*\r?\n?")
_INLINE = re.compile(rb"\binput\s*\(\s*('(?:[^'\\]|\\.)*')\s*\)", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """A SQL text read as far as the first data byte."""

    verb: str
    """First word in capitals, e.g. SELECT; '' when there is none."""
    output_format: str | None = None
    """Format named by a FORMAT clause of a query."""
    input_format: str | None = None
    """Format of the data that follows an INSERT; None when none follows."""
    head: bytes = b""
    """An INSERT up to its FORMAT (or VALUES), without it."""
    data_at: int | None = None
    """Where inline data begins in the text."""
    from_input: bool = False
    """INSERT ... SELECT ... FROM input('structure') FORMAT ..."""
    engine: str | None = None
    """Table engine a CREATE names."""
    count: int = 1
    """Statements in the text."""

    def with_input_file(self, path: str) -> bytes:
        """The head of an `INSERT ... FROM input(...)`, reading a file in its place."""
        source = f"file('{path}', '{self.input_format}', ".encode()
        return _INLINE.sub(lambda match: source + match.group(1) + b")", self.head, count=1)


def _tokens(sql: bytes) -> Iterator[tuple[str, bytes, int, int]]:
    """(kind, text, end, depth of brackets) of each token that is no space."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        kind = "quoted" if kind == "tag" else kind
        if kind == "space":
            continue
        text = match.group()
        if text in (b"(", b"[", b"{"):
            depth += 1
        elif text in (b")", b"]", b"}"):
            depth -= 1
        yield kind, text, match.end(), depth


def read_statement(sql: bytes) -> Statement:
    """Read a SQL text; of an INSERT only as far as its data.

    Cost: one regular-expression step per token; never walks the data of an INSERT.
    """
    first = next(_tokens(sql), None)
    if first is None:
        return Statement("")
    verb = first[1].upper().decode("utf-8", "replace") if first[0] == "word" else "SELECT"
    return _read_insert(sql) if verb == "INSERT" else _read_other(sql, verb)


def _read_insert(sql: bytes) -> Statement:
    selects = reads_input = False
    previous, format_at = b"", -1
    for kind, text, end, depth in _tokens(sql):
        word = text.upper() if kind == "word" else b""
        start = end - len(text)
        if format_at >= 0 and kind == "word":
            gap = _DATA_GAP.match(sql, end)
            return Statement(
                "INSERT",
                input_format=text.decode(),
                head=sql[:format_at],
                data_at=gap.end() if gap else end,
                from_input=selects and reads_input,
            )
        format_at = start if word == b"FORMAT" and depth == 0 else -1
        if word == b"VALUES" and depth == 0 and not selects and previous not in (b"INTO", b"TABLE", b"."):
            return Statement("INSERT", input_format="Values", head=sql[:start], data_at=end)
        selects = selects or (word in (b"SELECT", b"WITH") and depth == 0)
        reads_input = reads_input or word == b"INPUT"
        previous = word or text
    return Statement("INSERT")


def _read_other(sql: bytes, verb: str) -> Statement:
    output_format = engine = None
    count, ended = 1, False
    previous = b""
    for kind, text, _, depth in _tokens(sql):
        if ended:
            count, ended = count + 1, False
        if text == b";" and depth == 0:
            ended = True
        word = text.upper() if kind == "word" else b""
        if word and previous == b"FORMAT" and depth == 0 and word not in _NO_FORMATS:
            output_format = text.decode()
        if word and previous == b"ENGINE":
            engine = text.decode()
        if not (previous == b"ENGINE" and text == b"="):
            previous = word or text
    return Statement(verb, output_format=output_format, engine=engine, count=count)


# What follows `format` where it is a column, not a clause.
_NO_FORMATS = frozenset(
    b"FROM AS WHERE GROUP ORDER LIMIT UNION SETTINGS HAVING IN LIKE ILIKE DESC ASC AND OR NOT IS BETWEEN THEN ELSE END WITH".split()
)


def split_statements(sql: str) -> list[str]:
    """The statements of a SQL file, without comments before them and empty ones."""
    raw = sql.encode()
    parts: list[bytes] = []
    start: int | None = None
    for _, text, end, depth in _tokens(raw):
        if text == b";" and depth == 0:
            if start is not None:
                parts.append(raw[start : end - 1])
            start = None
        elif start is None:
            start = end - len(text)
    if start is not None:
        parts.append(raw[start:])
    return [part.decode().strip() for part in parts]
