"""Rules of `sql/flink/budget.sql`: budgets of teams, silences, and overrides from feedback."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from schemas.errors import SqlError

__all__ = ["Budget", "BudgetRules", "Override", "Silence", "like", "read_rules"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_INSERT = re.compile(r"INSERT\s+INTO\s+(\w+)\s*\(([^)]*)\)\s*VALUES\s*(.*)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"('(?:[^']|'')*')|--.*")
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([(),]))")


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern), re.DOTALL)


def like(text: str, pattern: str) -> bool:
    """SQL's LIKE: % stands for any text, _ for one character.

    >>> like("checkout GET /cart", "checkout %"), like("checkout", "cart%")
    (True, False)
    """
    return pattern == "%" or _pattern(pattern).fullmatch(text) is not None


@dataclass(frozen=True)
class Budget:
    """A budget of its own for the services that match."""

    service: str
    pages_per_week: float

    def __post_init__(self) -> None:
        if not self.service or self.pages_per_week < 0:
            raise ValueError("service must be a pattern, pages_per_week 0 or more")


@dataclass(frozen=True)
class Silence:
    """When what matches does not page: a maintenance window, or every week."""

    environment: str = "%"
    entity: str = "%"
    metric: str = "%"
    days: str = ""
    """Mon,Tue,...; '' = every day."""
    hours: str = ""
    """22:00-06:00, UTC, by the start of the window; '' = all day. Past midnight it belongs to the day it began on."""
    starts: str = ""
    """ISO time, UTC; '' = always."""
    ends: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for day in filter(None, self.days.split(",")):
            if day.strip() not in DAYS:
                raise ValueError(f"'{day.strip()}' is no day, write {', '.join(DAYS)}")
        _minutes(self.hours)
        _span(self.starts, self.ends)

    def holds(self, environment: str, entity: str, metric: str, at: datetime) -> bool:
        """Whether an anomaly whose window starts then is silenced."""
        if not (like(entity, self.entity) and like(metric, self.metric) and like(environment, self.environment)):
            return False
        first, last = _span(self.starts, self.ends)
        if not first <= at.timestamp() < last:
            return False
        since, until = _minutes(self.hours)
        minute, day = at.hour * 60 + at.minute, at.weekday()
        if since <= until:
            within = since <= minute < until
        else:
            within = minute >= since or minute < until
            day = day if minute >= since else (day - 1) % 7
        return within and (not self.days or DAYS[day] in {part.strip() for part in self.days.split(",")})


@dataclass(frozen=True)
class Override:
    """What matches is an anomaly only from this score, and this surprise, on: what feedback proposes, or a hand wrote."""

    environment: str = "%"
    entity: str = "%"
    metric: str = "%"
    width_s: int = -1
    """Of the windows, in seconds; -1 = all."""
    min_score: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class BudgetRules:
    """All rules, in the order of the file; the first that matches holds."""

    budgets: tuple[Budget, ...] = ()
    silences: tuple[Silence, ...] = ()
    overrides: tuple[Override, ...] = ()

    def team(self, service: str) -> str:
        """Pattern of the budget a service is charged to; '' = the estate's."""
        return next((b.service for b in self.budgets if like(service, b.service)), "")

    def silenced(self, environment: str, entity: str, metric: str, at: datetime) -> bool:
        """Whether an anomaly does not page."""
        return any(s.holds(environment, entity, metric, at) for s in self.silences)

    def min_score(self, environment: str, entity: str, metric: str, width_s: int) -> float:
        """Score from which it is an anomaly at all; the highest of those that match."""
        return max(
            (
                o.min_score
                for o in self.overrides
                if o.width_s in (-1, width_s) and like(environment, o.environment) and like(entity, o.entity) and like(metric, o.metric)
            ),
            default=0.0,
        )


_TABLES: dict[str, type[Budget] | type[Silence] | type[Override]] = {"budgets": Budget, "silences": Silence, "overrides": Override}


def read_rules(path: Path) -> BudgetRules:
    """Read `INSERT INTO budgets|silences|overrides (columns) VALUES (...), (...);` statements; no file = no rules.

    Raises
    ------
    SqlError
        Unknown table or column, or a value that does not fit; says file and line.
    """
    if not path.is_file():
        return BudgetRules()
    rows: dict[str, list[Any]] = {name: [] for name in _TABLES}
    for line, statement in _statements(path.read_text()):
        try:
            table, found = _rows(statement)
        except (ValueError, TypeError) as error:
            raise SqlError(f"{path}:{line}: {error}", "see the examples at the top of the file") from None
        rows[table] += found
    return BudgetRules(**{name: tuple(found) for name, found in rows.items()})


def _statements(text: str) -> list[tuple[int, str]]:
    """(line, statement), comments left out."""
    out, start, held = [], 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        code = _COMMENT.sub(lambda match: match.group(1) or "", line)
        if not held.strip():
            start = number
        held += code + "\n"
        if code.rstrip().endswith(";"):
            out.append((start, held.strip().removesuffix(";")))
            held = ""
    if held.strip():
        out.append((start, held.strip()))
    return out


def _rows(statement: str) -> tuple[str, list[Any]]:
    match = _INSERT.fullmatch(statement)
    if match is None:
        raise ValueError(f"not a rule: {' '.join(statement.split())[:80]}")
    name = match.group(1).lower()
    if name not in _TABLES:
        near = difflib.get_close_matches(name, _TABLES, 1)
        raise ValueError(f"unknown table '{name}'" + (f", did you mean {near[0]}?" if near else f", known: {', '.join(_TABLES)}"))
    kind = _TABLES[name]
    known = {f.name: f for f in fields(kind)}
    columns = [column.strip() for column in match.group(2).split(",")]
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, 1)
            raise ValueError(
                f"{name} has no column '{column}'" + (f", did you mean {near[0]}?" if near else f", it has {', '.join(known)}")
            )
    rows = []
    for values in _tuples(match.group(3)):
        if len(values) != len(columns):
            raise ValueError(f"{len(values)} values for {len(columns)} columns")
        given = dict(zip(columns, values, strict=True))
        for column, value in given.items():
            if isinstance(value, str) != (known[column].type == "str"):
                raise ValueError(f"{column} must be {'a text in quotes' if known[column].type == 'str' else 'a number'}")
        rows.append(kind(**given))
    return name, rows


def _tuples(text: str) -> list[list[Any]]:
    rows: list[list[Any]] = []
    at = 0
    row: list[Any] | None = None
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read '{text[at:].strip()[:40]}'")
        at = match.end()
        word, number, sign = match.groups()
        if sign == "(" and row is None:
            row = []
        elif sign == ")" and row is not None:
            rows.append(row)
            row = None
        elif sign is None and row is not None:
            row.append(_value(word, number))
        elif sign != ",":
            raise ValueError(f"misplaced '{sign or word or number}'")
    if row is not None or not rows:
        raise ValueError("VALUES wants rows in brackets")
    return rows


def _value(word: str | None, number: str) -> str | int | float:
    if word is not None:
        return word.replace("''", "'")
    return int(number) if number.lstrip("-").isdigit() else float(number)


@lru_cache(maxsize=256)
def _minutes(hours: str) -> tuple[int, int]:
    if not hours.strip():
        return 0, 24 * 60
    match = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", hours)
    if match is None:
        raise ValueError(f"'{hours}' are no hours, write 22:00-06:00")
    a, b, c, d = map(int, match.groups())
    if a > 24 or c > 24 or b > 59 or d > 59:
        raise ValueError(f"'{hours}' are no hours of a day")
    return a * 60 + b, c * 60 + d


@lru_cache(maxsize=256)
def _span(starts: str, ends: str) -> tuple[float, float]:
    def seconds(text: str, otherwise: float) -> float:
        if not text.strip():
            return otherwise
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"'{text}' is no time, write 2026-01-31T22:00") from None
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()

    return seconds(starts, float("-inf")), seconds(ends, float("inf"))
