"""The functions and operators of a user's format. Each works on whole columns; those that take a regular expression run on RE2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.user_expressions import Expression, Name, Rows, as_number, as_text, number_text
from udfs.formats.user_times import TimePattern
from udfs.formats.values.identities import read_identities
from udfs.formats.values.json_bytes import json_text
from udfs.formats.values.times import TIMESTAMP, read_time_texts, read_times

__all__ = [
    "add", "case", "coalesce", "compare", "concat", "divide", "extract", "invert", "is_in", "is_null", "json_value", "like", "logical",
    "lower", "matches", "multiply", "negate", "null_if", "replace", "replace_regex", "request_id", "span_id", "split_index",
    "substring", "subtract", "to_integer", "to_number", "to_text", "to_time", "to_time_of_pattern", "to_time_of_precision", "trace_id",
    "trim", "upper", "url_decode",
]  # fmt: skip

_NO_TEXT = pa.scalar(None, pa.string())
_Path = tuple[str | int, ...]


def json_value(rows: Rows, source: Expression, path: _Path) -> pa.Array:
    """The value at a path of the line's object, or of JSON in a text. Objects and lists there become their JSON."""
    column = _objects(rows, source)
    for step in path:
        column = _step(column, step)
    kinds = set(map(type, column))
    if kinds == {int}:
        try:
            return pa.array(column, pa.int64())
        except (pa.ArrowInvalid, OverflowError):
            pass
    if kinds == {float}:
        return pa.array(column, pa.float64())
    if kinds <= {str, type(None)}:
        return pa.array(column, pa.string())
    return pa.array(list(map(_json_text, column)), pa.string())


def _objects(rows: Rows, source: Expression) -> Sequence[Any]:
    if rows.objects is not None and source == Name("line"):
        return rows.objects
    key = ("json", source)
    if key not in rows.cache:
        texts = _array(rows, as_text(source.evaluate(rows)))
        rows.cache[key] = [_load(text) for text in texts.to_pylist()]
    found: Sequence[Any] = rows.cache[key]
    return found


def _load(text: str | None) -> Any:
    try:
        return orjson.loads(text or "null")
    except orjson.JSONDecodeError:
        return None


def _step(column: Sequence[Any], step: str | int) -> list[Any]:
    if isinstance(step, int):
        return [value[step] if isinstance(value, list) and step < len(value) else None for value in column]
    return [value.get(step) if isinstance(value, dict) else None for value in column]


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json_text(value)
    return number_text(value) if isinstance(value, float) else str(value)


def split_index(rows: Rows, source: Expression, separator: str, index: int) -> pa.Array:
    """The part of that number, from 0; null where there are fewer."""
    key = ("split", source, separator)
    if key not in rows.cache:
        texts = _array(rows, as_text(source.evaluate(rows))).fill_null("")
        rows.cache[key] = pc.split_pattern(texts, separator)
    parts = rows.cache[key]
    offsets = parts.offsets.to_numpy()
    place = offsets[:-1] + index
    there = place < offsets[1:]
    return (
        pc.take(parts.values, pa.array(np.where(there, place, 0), mask=~there)) if len(parts.values) else pa.nulls(len(parts), pa.string())
    )


def extract(rows: Rows, source: Expression, expression: str, group: str) -> pa.Array:
    """What a group of a regular expression matched; null where it did not match or took no part."""
    key = ("extract", source, expression)
    if key not in rows.cache:
        rows.cache[key] = pc.extract_regex(_array(rows, as_text(source.evaluate(rows))), expression)
    parts = rows.cache[key]
    found = pc.struct_field(parts, [group])
    return pc.if_else(pc.equal(found, ""), _NO_TEXT, found)


def matches(rows: Rows, value: Any, expression: str) -> Any:
    """Whether a text matches a regular expression somewhere."""
    return pc.match_substring_regex(as_text(value), expression)


def like(rows: Rows, value: Any, pattern: str) -> Any:
    """SQL's LIKE."""
    return pc.match_like(as_text(value), pattern)


def replace_regex(rows: Rows, value: Any, expression: str, replacement: str) -> Any:
    r"""Replace what matches; \1 is the first group."""
    return pc.replace_substring_regex(as_text(value), expression, replacement)


def replace(rows: Rows, value: Any, old: str, new: str) -> Any:
    """Replace a text by another."""
    return pc.replace_substring(as_text(value), old, new)


def upper(rows: Rows, value: Any) -> Any:
    """Upper case."""
    return pc.utf8_upper(as_text(value))


def lower(rows: Rows, value: Any) -> Any:
    """Lower case."""
    return pc.utf8_lower(as_text(value))


def trim(rows: Rows, value: Any, characters: str = " ") -> Any:
    """Without these characters at both ends."""
    return pc.utf8_trim(as_text(value), characters)


def substring(rows: Rows, value: Any, start: int, length: int | None = None) -> Any:
    """From a place (the first is 1), of some length."""
    first = max(start - 1, 0)
    return pc.utf8_slice_codeunits(as_text(value), first, None if length is None else first + length)


def url_decode(rows: Rows, value: Any) -> pa.Array:
    """Percent signs decoded. Cost: one Python call per distinct text."""
    coded = _array(rows, as_text(value)).dictionary_encode()
    plain = pa.array([None if text is None else unquote(text) for text in coded.dictionary.to_pylist()], pa.string())
    return plain.take(coded.indices)


def concat(rows: Rows, *values: Any) -> Any:
    """Texts joined; null if one is null."""
    return pc.binary_join_element_wise(*map(as_text, values), pa.scalar(""))


def coalesce(rows: Rows, *values: Any) -> Any:
    """The first that is not null, nor '' or '-'."""
    alike = _alike(values)
    return pc.coalesce(*(_logged(value) for value in alike[:-1]), alike[-1])


def null_if(rows: Rows, value: Any, other: Any) -> Any:
    """Null where equal."""
    equal = compare(rows, value, other, "equal")
    return pc.if_else(pc.fill_null(equal, False), pa.scalar(None, value.type), value)


def case(rows: Rows, *values: Any) -> Any:
    """CASE: condition, value, condition, value, ..., otherwise."""
    conditions, chosen = values[:-1:2], _alike((*values[1:-1:2], values[-1]))
    result = chosen[-1]
    for condition, value in zip(reversed(conditions), reversed(chosen[:-1]), strict=True):
        result = pc.if_else(pc.fill_null(condition, False), value, result)
    return result


def compare(rows: Rows, left: Any, right: Any, operator: str) -> Any:
    """Compare; numbers where one side is a number."""
    compared: Callable[..., Any] = getattr(pc, operator)
    if _is_number(left) or _is_number(right):
        return compared(as_number(rows, left), as_number(rows, right))
    if left.type.equals(right.type):
        return compared(left, right)
    return compared(as_text(left), as_text(right))


def is_in(rows: Rows, value: Any, *others: Any) -> Any:
    """Whether equal to one of them."""
    found = compare(rows, value, others[0], "equal")
    for other in others[1:]:
        found = pc.or_kleene(found, compare(rows, value, other, "equal"))
    return found


def is_null(rows: Rows, value: Any) -> Any:
    """Whether there is nothing: null, '' or '-'."""
    return pc.is_null(_logged(value))


def logical(rows: Rows, left: Any, right: Any, operator: str) -> Any:
    """AND, OR with three values."""
    joined: Callable[..., Any] = getattr(pc, operator)
    return joined(left, right)


def invert(rows: Rows, value: Any) -> Any:
    """NOT."""
    return pc.invert(value)


def add(rows: Rows, left: Any, right: Any) -> Any:
    """Sum."""
    return _rounded(pc.add(as_number(rows, left), as_number(rows, right)))


def subtract(rows: Rows, left: Any, right: Any) -> Any:
    """Difference; of two times in seconds."""
    return _rounded(pc.subtract(as_number(rows, left), as_number(rows, right)))


def multiply(rows: Rows, left: Any, right: Any) -> Any:
    """Product."""
    return _rounded(pc.multiply(as_number(rows, left), as_number(rows, right)))


def divide(rows: Rows, left: Any, right: Any) -> Any:
    """Quotient; null for a division by zero."""
    divisor = as_number(rows, right)
    return _rounded(pc.divide(as_number(rows, left), pc.if_else(pc.equal(divisor, 0.0), pa.scalar(None, pa.float64()), divisor)))


def negate(rows: Rows, value: Any) -> Any:
    """The number with the other sign."""
    return pc.negate(as_number(rows, value))


def to_number(rows: Rows, value: Any) -> Any:
    """CAST AS DOUBLE."""
    return as_number(rows, value)


def to_integer(rows: Rows, value: Any) -> Any:
    """CAST AS INT: towards zero, as a number."""
    return pc.trunc(as_number(rows, value))


def to_text(rows: Rows, value: Any) -> Any:
    """CAST AS STRING."""
    return as_text(value)


def trace_id(rows: Rows, value: Any) -> pa.Array:
    """The trace of a header of any kind (traceparent, b3, X-Amzn-Trace-Id, ...): 32 hex digits."""
    return read_identities(_array(rows, as_text(value))).trace_id


def span_id(rows: Rows, value: Any) -> pa.Array:
    """The span of a header of any kind: 16 hex digits."""
    return read_identities(_array(rows, as_text(value))).span_id


def request_id(rows: Rows, value: Any) -> pa.Array:
    """The id of a header that is no trace's."""
    return read_identities(_array(rows, as_text(value))).request_id


def to_time(rows: Rows, value: Any) -> pa.Array:
    """ISO 8601, an epoch number in s, ms, us or ns (told apart by size), or the common log format's; no zone = UTC."""
    array = _array(rows, value)
    if pa.types.is_timestamp(array.type):
        return array
    if pa.types.is_string(array.type):
        times, bad = read_time_texts(pc.if_else(_is_nothing(array), _NO_TEXT, array))
    else:
        times, bad = read_times(array.to_pylist())
    return _times(rows, times, bad, array)


def to_time_of_pattern(rows: Rows, value: Any, pattern: TimePattern) -> pa.Array:
    """A text written to a pattern."""
    array = _array(rows, as_text(value))
    times, bad = pattern.read(pc.if_else(_is_nothing(array), _NO_TEXT, array))
    return _times(rows, times, bad, array)


def to_time_of_precision(rows: Rows, value: Any, precision: int) -> pa.Array:
    """An epoch number: 0 = s, 3 = ms, 6 = us, 9 = ns."""
    array = _array(rows, value)
    micros = pc.multiply(_array(rows, as_number(rows, array, "invalid_timestamp")), 10.0 ** (6 - precision))
    limited = pc.and_(pc.greater_equal(micros, 0.0), pc.less(micros, 7_258_118_400_000_000.0))
    rows.fail(pc.invert(limited), "invalid_timestamp", array)
    return pc.cast(pc.cast(pc.round(pc.if_else(limited, micros, pa.scalar(None, pa.float64()))), pa.int64()), TIMESTAMP)


def _times(rows: Rows, times: pa.Array, bad: Any, values: pa.Array) -> pa.Array:
    if bad is None:
        return times
    rows.fail(bad, "invalid_timestamp", values)
    return pc.if_else(pa.array(bad), pa.scalar(None, TIMESTAMP), times)


def _array(rows: Rows, value: Any) -> pa.Array:
    return pa.repeat(value, rows.count) if isinstance(value, pa.Scalar) else value


def _is_nothing(texts: pa.Array) -> pa.Array:
    return pc.or_(pc.equal(texts, ""), pc.equal(texts, "-"))


def _logged(value: Any) -> Any:
    if not pa.types.is_string(value.type):
        return value
    return pc.if_else(_is_nothing(value), _NO_TEXT, value)


def _is_number(value: Any) -> bool:
    return bool(pa.types.is_floating(value.type) or pa.types.is_integer(value.type))


def _alike(values: Sequence[Any]) -> list[Any]:
    """Values of one type: all numbers, or all texts."""
    kinds = {str(value.type) for value in values}
    if len(kinds) == 1:
        return list(values)
    if all(_is_number(value) for value in values):
        return [pc.cast(value, pa.float64(), safe=False) for value in values]
    return [as_text(value) for value in values]


def _rounded(value: Any) -> Any:
    """To a billionth: 0.047 * 1000 is 47, not 47.00000000000001."""
    return pc.round(value, 9)
