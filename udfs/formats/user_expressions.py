"""Expressions of a user's format: small trees, evaluated column by column.

A value is an Arrow array of strings, numbers, booleans or times, or a scalar where an expression is constant. What a function cannot
read becomes null and is remembered (`Rows.fail`), so that COALESCE may try the next; a field that stays null because of it refuses
its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.parsed import Parsed

__all__ = ["Call", "Constant", "Expression", "Failure", "Name", "Rows", "as_number", "as_text", "children", "is_null_text", "number_text"]

_NUMBER = r"^[+-]?(?:\d{1,300}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?$"
_NO_TEXT = pa.scalar(None, pa.string())


@dataclass(frozen=True)
class Failure:
    """Rows that an expression could not read."""

    mask: NDArray[Any]
    reason: str
    values: Any


@dataclass
class Rows:
    """The rows an expression is evaluated on."""

    count: int
    names: Mapping[str, pa.Array]
    """`line` and the groups of the pattern, as strings."""
    objects: list[Any] | None = None
    """The JSON value of each line, for formats of JSON lines."""
    failures: list[Failure] = field(default_factory=list)
    cache: dict[Any, Any] = field(default_factory=dict)
    """What several columns need, e.g. the split line."""

    def fail(self, mask: NDArray[Any] | pa.Array | None, reason: str, values: Any) -> None:
        """Remember rows that could not be read."""
        if mask is None:
            return
        bad = mask if isinstance(mask, np.ndarray) else pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
        if bad.any():
            self.failures.append(Failure(bad, reason, values))

    def settle(self, parsed: Parsed, value: pa.Array) -> None:
        """Refuse the rows whose value is null because something could not be read; forget the rest."""
        if self.failures:
            absent = ~value.is_valid().to_numpy(zero_copy_only=False)
            for failure in self.failures:
                parsed.refuse(failure.mask & absent, failure.reason, failure.values)
            self.failures = []


@dataclass(frozen=True)
class Constant:
    """A literal: text or number."""

    value: str | float | int | None

    def evaluate(self, rows: Rows) -> Any:
        """The scalar."""
        return _NO_TEXT if self.value is None else pa.scalar(self.value)


@dataclass(frozen=True)
class Name:
    """`line`, or a group of the pattern."""

    name: str

    def evaluate(self, rows: Rows) -> Any:
        """The texts; a group that took no part is null."""
        return rows.names[self.name]


@dataclass(frozen=True)
class Call:
    """A function or operator with its arguments."""

    name: str
    run: Callable[..., Any]
    """A function of this package, so that the call is picklable: `run(rows, *arguments, *options)`."""
    arguments: tuple[Expression, ...]
    options: tuple[Any, ...] = ()
    """What was compiled from constant arguments: a regular expression, a path, a time pattern."""
    is_lazy: bool = False
    """Whether `run` gets the expressions themselves instead of their values."""

    def evaluate(self, rows: Rows) -> Any:
        """The value."""
        if self.is_lazy:
            return self.run(rows, *self.arguments, *self.options)
        return self.run(rows, *(argument.evaluate(rows) for argument in self.arguments), *self.options)


Expression = Constant | Name | Call


def children(expression: Expression) -> tuple[Expression, ...]:
    """Arguments of a call; () of anything else."""
    return expression.arguments if isinstance(expression, Call) else ()


def is_null_text(texts: Any) -> Any:
    """Whether a text says that nothing was logged: '' and '-'."""
    return pc.or_(pc.equal(texts, ""), pc.equal(texts, "-"))


def as_text(value: Any) -> Any:
    """A value as text; whole numbers without a point."""
    kind = value.type
    if pa.types.is_string(kind):
        return value
    if pa.types.is_null(kind):
        return value.cast(pa.string())
    if pa.types.is_floating(kind):
        if isinstance(value, pa.Scalar):
            return pa.scalar(number_text(value.as_py()), pa.string())
        return pa.array([number_text(number) for number in value.to_pylist()], pa.string())
    return value.cast(pa.string())


def number_text(number: float | None) -> str | None:
    """Digits of a number, as short as they can be."""
    if number is None:
        return None
    return str(int(number)) if abs(number) < 1e15 and number == int(number) else repr(number)


def as_number(rows: Rows, value: Any, reason: str = "invalid_number") -> Any:
    """A value as float64; '' and '-' are null, other texts that are no number fail."""
    kind = value.type
    if pa.types.is_floating(kind):
        return value
    if pa.types.is_integer(kind):
        return pc.cast(value, pa.float64(), safe=False)
    if pa.types.is_timestamp(kind):
        return pc.divide(pc.cast(pc.cast(value, pa.int64()), pa.float64(), safe=False), 1e6)
    if not pa.types.is_string(kind):
        return pc.cast(pc.cast(value, pa.int8()), pa.float64()) if pa.types.is_boolean(kind) else pc.cast(value, pa.float64())
    texts = pc.utf8_trim_whitespace(value)
    good = pc.match_substring_regex(texts, _NUMBER)
    bad = pc.and_(pc.invert(good), pc.invert(is_null_text(texts)))
    if isinstance(value, pa.Array):
        rows.fail(bad, reason, value)
    return pc.cast(pc.if_else(good, texts, _NO_TEXT), pa.float64())
