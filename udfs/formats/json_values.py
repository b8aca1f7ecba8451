"""Columns of JSON values as Arrow arrays: numbers or texts of numbers, texts, times, in any mixture.

Columns of one type take one conversion; mixed ones are read value by value, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.values.json_bytes import json_text
from udfs.formats.values.quantities import read_durations, read_sizes, read_statuses
from udfs.formats.values.times import LATEST_US, TIMESTAMP, read_clf_times, read_time_texts, read_times, time_us

__all__ = ["not_texts", "read_json_durations", "read_json_sizes", "read_json_statuses", "read_json_times", "read_texts"]

_Read = tuple[pa.Array, NDArray[Any] | None]
_TEXTS = {str, type(None)}
_NUMBER = r"^\d{1,15}(?:\.\d{1,15})?$"
_NO_STATUS = ("000", "009")
_DIGITS = r"^\d{1,18}$"
_SLASHED = re.compile(r"^(\d{4})/(\d\d)/(\d\d)(?=[ T])")
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]\d{4})")
_EXACT_DIGITS = 17
_SECONDS_FRACTION = 26
"""Length of 'YYYY-MM-DDTHH:MM:SS.ffffff': what follows is finer than a microsecond."""


def read_texts(column: Sequence[object], keep_objects: bool = True) -> pa.Array:
    """Strings of JSON values; '' and '-' become null, numbers their digits, of lists the first.

    Parameters
    ----------
    keep_objects : objects become their JSON, else null
    """
    try:
        texts = pa.array(column, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        texts = _odd_texts(column, keep_objects)
    shortest = pc.min(pc.binary_length(texts)).as_py()
    if shortest is not None and shortest <= 1:
        nothing = pc.or_(pc.equal(texts, ""), pc.equal(texts, "-"))
        texts = pc.if_else(nothing, pa.scalar(None, pa.string()), texts)
    return texts


def _odd_texts(column: Sequence[Any], keep_objects: bool) -> pa.Array:
    kinds = set(map(type, column))
    try:
        if kinds == {int}:
            return pa.array(column, pa.int64()).cast(pa.string())
        if kinds <= {list, type(None)} and not (keep_objects and any(value is not None and len(value) != 1 for value in column)):
            # Headers come as lists of one.
            return pa.array(list(map(next, map(iter, [value or () for value in column]), repeat(None))), pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, OverflowError):
        pass
    return pa.array([_text(value, keep_objects) for value in column], pa.string())


def _text(value: Any, keep_objects: bool) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and value and not (keep_objects and len(value) > 1):
        return _text(value[0], keep_objects)
    if isinstance(value, (dict, list)):
        return json_text(value) if keep_objects else None
    return str(value)


def not_texts(column: Sequence[object]) -> NDArray[Any] | None:
    """bool[n]: where there is anything but a text or a list of them; None = nowhere."""
    if set(map(type, column)) <= _TEXTS:
        return None
    return np.fromiter((value is not None and not isinstance(value, (str, list)) for value in column), bool, len(column))


def read_json_durations(column: Sequence[object], unit_ms: float = 1.0) -> _Read:
    """Durations in ms; a unit in the text ('12ms', '0.006s') goes before `unit_ms`. Cost: 0.05 us a value of one kind."""
    texts = _as_texts(column)
    if texts is None:
        return (
            read_durations(column, unit_ms)
            if None not in column
            else _with_nulls(column, lambda v: read_durations(v, unit_ms), pa.float64())
        )
    bare = texts
    for suffix, suffix_ms in (("ms", 1.0), ("s", 1e3)):
        if pc.all(pc.ends_with(texts, suffix)).as_py():
            bare, unit_ms = pc.utf8_slice_codeunits(texts, 0, -len(suffix)), suffix_ms
            break
    # '5us' ends with 's' too: what is no number without its end is left to the slow way.
    if not pc.all(pc.match_substring_regex(bare, _NUMBER), min_count=0).as_py():
        return _one_by_one(texts, lambda v: read_durations(v, unit_ms))
    values = bare.cast(pa.float64())
    return (pc.round(pc.multiply(values, unit_ms), 9) if unit_ms != 1.0 else values), None


def read_json_sizes(column: Sequence[object]) -> _Read:
    """Bytes; -1 and '-' are none."""
    texts = _as_texts(column)
    if texts is None:
        return read_sizes(column) if None not in column else _with_nulls(column, read_sizes, pa.int64())
    if not pc.all(pc.match_substring_regex(texts, _DIGITS), min_count=0).as_py():
        return _one_by_one(texts, read_sizes)
    return texts.cast(pa.int64()), None


def read_json_statuses(column: Sequence[object]) -> _Read:
    """HTTP statuses; 0, -1, '-' and '009' (nginx after HTTP/0.9) are none."""
    texts = _as_texts(column)
    if texts is None:
        if str in set(map(type, column)):
            return read_statuses([None if isinstance(value, str) and value in _NO_STATUS else value for value in column])
        return read_statuses(column) if None not in column else _with_nulls(column, read_statuses, pa.uint16())
    coded = texts.dictionary_encode()
    distinct = [None if value in _NO_STATUS else value for value in coded.dictionary.to_pylist()]
    values, bad = read_statuses(distinct) if distinct else (pa.nulls(0, pa.uint16()), None)
    if bad is not None:
        bad = bad[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)] & texts.is_valid().to_numpy(zero_copy_only=False)
    return values.take(coded.indices), bad


def read_json_times(column: Sequence[object]) -> _Read:
    """Times: ISO 8601, epoch numbers in s, ms, us or ns as numbers or texts, the common log format's, HTTP dates; also in brackets.

    Cost: one conversion for columns of one writing; 1-3 us a value for mixed ones.
    """
    array, bad = _read_times(column)
    if bad is None:
        return array, None
    rows = np.flatnonzero(bad)
    moments = [_odd_time(column[row]) for row in rows.tolist()]
    there = np.array([moment is not None for moment in moments])
    if not there.any():
        return array, bad
    bad[rows[there]] = False
    mask = np.zeros(len(column), bool)
    mask[rows[there]] = True
    found = pa.array([moment for moment in moments if moment is not None], pa.int64()).cast(TIMESTAMP)
    return pc.replace_with_mask(array, pa.array(mask), found), bad if bad.any() else None


def _odd_time(value: object) -> int | None:
    """Epoch us of '[12/Mar/2026:..]', '2026/03/12 10:11:12' and 'Thu, 12 Mar 2026 10:11:12 GMT'; None for anything else."""
    if not isinstance(value, str):
        return None
    text = value.strip(" []")
    try:
        if _HTTP_DATE.fullmatch(text):
            return time_us(parsedate_to_datetime(text).isoformat())
        return time_us(_SLASHED.sub(r"\1-\2-\3", text))
    except ValueError:
        return None


def _read_times(column: Sequence[object]) -> _Read:
    kinds = set(map(type, column))
    if kinds <= _TEXTS:
        return _read_time_texts(pa.array(column, pa.string()))
    if kinds == {float}:
        return _read_floats(np.fromiter(column, np.float64, len(column)))
    if None in column and len(kinds) > 1:
        return _with_nulls(column, _read_times, TIMESTAMP)
    return read_times(column)


def _read_time_texts(texts: pa.Array) -> _Read:
    first = next((text.as_py() for text in texts if text.is_valid), "")
    if first[:1] == "[":
        texts = pc.utf8_trim(texts, "[]")
        first = first.strip("[]")
    if "/" in first[:4]:
        return read_clf_times(texts)
    if "-" not in first[1:] and first[:1].isdigit():
        try:
            return _read_numbers(texts, "." in first)
        except pa.ArrowInvalid:
            return read_time_texts(texts)
    return read_time_texts(_cut_nanoseconds(texts, len(first)))


def _read_numbers(texts: pa.Array, has_fraction: bool) -> _Read:
    if texts.null_count:
        return read_time_texts(texts)
    if not has_fraction:
        return read_times(texts.cast(pa.int64()).to_numpy().tolist())
    numbers = texts.cast(pa.float64())
    # Digits of a nanosecond are more than a float holds.
    if pc.any(pc.is_nan(numbers)).as_py() or pc.max(pc.binary_length(texts)).as_py() > _EXACT_DIGITS:
        return read_time_texts(texts)
    return _read_floats(numbers.to_numpy())


def _read_floats(values: NDArray[Any]) -> _Read:
    """Epoch seconds, milliseconds, microseconds or nanoseconds, told apart by size; as `values.times.epoch_us` one by one."""
    size = np.abs(values)
    us = np.where(size < 1e11, values * 1e6, np.where(size < 1e14, values * 1e3, np.where(size < 1e17, values, values // 1e3)))
    us = np.round(us)
    bad = ~((us >= 0) & (us < LATEST_US))
    return pa.array(np.where(bad, 0, us).astype(np.int64), mask=bad).cast(TIMESTAMP), bad if bad.any() else None


def _cut_nanoseconds(texts: pa.Array, length: int) -> pa.Array:
    """Texts of one length with more than six digits of a second: cut to six. Others are left as they are."""
    if length <= _SECONDS_FRACTION + 1:
        return texts
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    if lengths["min"] != lengths["max"]:
        return texts
    head, tail = pc.utf8_slice_codeunits(texts, 0, _SECONDS_FRACTION), pc.utf8_slice_codeunits(texts, _SECONDS_FRACTION, length)
    if not pc.all(pc.match_substring_regex(tail, r"^\d{0,3}Z$")).as_py():
        return texts
    return pc.binary_join_element_wise(head, "Z", "")


def _one_by_one(texts: pa.Array, read: Callable[[Sequence[object]], _Read]) -> _Read:
    """For odd texts: one Python call per value."""
    return read(texts.to_pylist())


def _as_texts(column: Sequence[object]) -> pa.Array | None:
    """The column as texts where it holds nothing else; '' and '-' become null."""
    if not set(map(type, column)) <= _TEXTS:
        return None
    return read_texts(column)


def _with_nulls(column: Sequence[object], read: Callable[[Sequence[object]], _Read], kind: pa.DataType) -> _Read:
    """Read what is there, and put it back to its place."""
    there = np.fromiter((value is not None for value in column), bool, len(column))
    values, bad = read([value for value in column if value is not None])
    places = np.cumsum(there) - 1
    array = values.take(pa.array(places, mask=~there)) if there.any() else pa.nulls(len(column), kind)
    if bad is None:
        return array, None
    all_bad = np.zeros(len(column), bool)
    all_bad[there] = bad
    return array, all_bad
