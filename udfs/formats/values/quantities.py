"""Read durations, sizes and status codes, from JSON values and from texts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = [
    "duration_ms", "read_duration_texts", "read_durations", "read_size_texts", "read_sizes", "read_status_texts", "read_statuses",
    "size_bytes", "status_code",
]  # fmt: skip

_UNITS_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) ?([a-zµμ]*)")
_NOTHING = ("", "-")


def _number(value: object) -> float | None:
    """A finite number, or None for nothing ('', '-', null)."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text in _NOTHING:
            return None
        match = _QUANTITY.fullmatch(text)
        if not match or match.group(2):
            raise ValueError("not a number")
        value = int(text) if text.isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("not a number")
    return value


def duration_ms(value: object, unit_ms: float = 1.0) -> float | None:
    """Milliseconds of one logged duration; a unit in the text ('12ms', '0.006s') goes before `unit_ms`.

    Raises
    ------
    ValueError
        No number, or negative.
    """
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value.strip())
        if match and match.group(2):
            if match.group(2) not in _UNITS_MS:
                raise ValueError("unknown unit")
            value, unit_ms = match.group(1), _UNITS_MS[match.group(2)]
    number = _number(value)
    if number is None:
        return None
    if number < 0:
        raise ValueError("negative")
    # Rounded to a picosecond: 0.047 s is 47 ms, not 47.00000000000001 (np.round agrees with this rounding).
    return float(np.round(float(number) * unit_ms, 9)) if unit_ms != 1.0 else float(number)


def size_bytes(value: object) -> int | None:
    """Bytes; -1 and '-' mean not logged.

    Raises
    ------
    ValueError
        Not a whole number, or negative.
    """
    number = _number(value)
    if number is None or number == -1:
        return None
    if number != int(number) or not 0 <= number < 2**62:
        raise ValueError("not a size")
    return int(number)


def status_code(value: object) -> int | None:
    """HTTP status; 0, -1 and '-' mean that there was none.

    Raises
    ------
    ValueError
        Not a whole number in 100..599.
    """
    number = _number(value)
    if number is None or number in (0, -1):
        return None
    if number != int(number) or not 100 <= number <= 599:
        raise ValueError("not a status")
    return int(number)


def read_durations(column: Sequence[object], unit_ms: float = 1.0) -> tuple[pa.Array, NDArray[Any] | None]:
    """Durations in ms as float64; bad[i] where negative or no number.

    Cost: one conversion for numbers, about 1 us a value for texts.
    """
    if set(map(type, column)) <= {int, float}:
        try:
            values = np.fromiter(column, np.float64, len(column))
        except OverflowError:
            return _one_by_one(column, lambda v: duration_ms(v, unit_ms), pa.float64())
        bad = ~((values >= 0) & (values < np.inf))
        if unit_ms != 1.0:
            values = np.round(values * unit_ms, 9)
        return pa.array(values), bad if bad.any() else None
    return _one_by_one(column, lambda v: duration_ms(v, unit_ms), pa.float64())


def read_sizes(column: Sequence[object]) -> tuple[pa.Array, NDArray[Any] | None]:
    """Sizes in bytes as int64; bad[i] where negative or no whole number."""
    values = _integers(column)
    if values is None:
        return _one_by_one(column, size_bytes, pa.int64())
    absent = values == -1
    bad = (values < -1) | (values >= 2**62)
    array = pa.array(values, mask=absent) if absent.any() else pa.array(values)
    return array, bad if bad.any() else None


def read_statuses(column: Sequence[object]) -> tuple[pa.Array, NDArray[Any] | None]:
    """Status codes as uint16; bad[i] where it is no HTTP status."""
    values = _integers(column)
    if values is None:
        return _one_by_one(column, status_code, pa.uint16())
    absent = (values == 0) | (values == -1)
    bad = ((values < 100) | (values > 599)) & ~absent
    if not absent.any() and not bad.any():
        return pa.array(values.astype(np.uint16)), None
    return pa.array(np.where(bad, 0, values).astype(np.uint16), mask=absent | bad), bad if bad.any() else None


def read_status_texts(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """Status codes of texts as uint16; '-', '0', '000' and nginx's '009' (HTTP/0.9, no status) are none.

    Cost: one look-up a row: there are few different ones.
    """
    return _by_distinct(texts, lambda value: None if value == "009" else status_code(value), pa.uint16())


def read_size_texts(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """Sizes of texts as int64; '-', '' and '-1' are none. Cost: one cast."""
    try:
        values = _logged(texts).cast(pa.int64())
    except pa.ArrowInvalid:
        return _by_distinct(texts, size_bytes, pa.int64())
    least = pc.min(values).as_py()
    if least is None or least >= 0:
        return values, None
    negative = pc.less(values, 0).fill_null(False)
    bad: NDArray[Any] = pc.less(values, -1).fill_null(False).to_numpy(zero_copy_only=False)
    return pc.if_else(negative, pa.scalar(None, pa.int64()), values), bad if bad.any() else None


def read_duration_texts(texts: pa.Array, unit_ms: float = 1.0) -> tuple[pa.Array, NDArray[Any] | None]:
    """Durations of texts in ms as float64; '-' and '' are none; a unit in the text goes before `unit_ms`.

    Cost: one cast where all texts are bare numbers or all are in ms, else 1 us per distinct text.
    """
    numbers = _logged(texts)
    if pc.all(pc.ends_with(numbers, "ms"), min_count=0).as_py():
        numbers, unit_ms = pc.binary_slice(numbers.cast(pa.binary()), 0, -2).cast(pa.string()), 1.0
    try:
        values = numbers.cast(pa.float64())
    except pa.ArrowInvalid:
        return _by_distinct(texts, lambda value: duration_ms(value, unit_ms), pa.float64())
    if unit_ms != 1.0:
        values = pc.round(pc.multiply(values, unit_ms), 9)
    limits = pc.min_max(values).as_py()
    if limits["min"] is None or (limits["min"] >= 0 and limits["max"] < math.inf and not pc.any(pc.is_nan(values)).as_py()):
        return values, None
    good = pc.and_(pc.greater_equal(values, 0.0), pc.less(values, math.inf)).fill_null(True)
    return values, ~good.to_numpy(zero_copy_only=False)


def _logged(texts: pa.Array) -> pa.Array:
    nothing = pc.or_(pc.equal(texts, "-"), pc.equal(texts, ""))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), texts)


def _by_distinct(texts: pa.Array, read: Callable[[object], float | None], kind: pa.DataType) -> tuple[pa.Array, NDArray[Any] | None]:
    """One Python call per distinct text."""
    coded = texts.dictionary_encode()
    values, bad = _one_by_one(coded.dictionary.to_pylist(), read, kind)
    picked = values.take(coded.indices)
    if bad is None:
        return picked, None
    rows: NDArray[Any] = bad[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)] & texts.is_valid().to_numpy(zero_copy_only=False)
    return picked, rows


def _integers(column: Sequence[object]) -> NDArray[Any] | None:
    """Int64 of a column of nothing but integers, else None."""
    if set(map(type, column)) == {int}:
        try:
            return np.fromiter(column, np.int64, len(column))
        except OverflowError:
            return None
    return None


def _one_by_one(
    column: Sequence[object], read: Callable[[object], float | None], kind: pa.DataType
) -> tuple[pa.Array, NDArray[Any] | None]:
    """For columns of texts, nulls or mixed types: one Python call per value."""
    values: list[float | None] = []
    bad = np.zeros(len(column), bool)
    for index, value in enumerate(column):
        try:
            values.append(read(value))
        except (ValueError, OverflowError):
            values.append(None)
            bad[index] = True
    return pa.array(values, kind), bad if bad.any() else None
