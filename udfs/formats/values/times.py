"""Read timestamps: ISO 8601 texts, epoch numbers of any unit, and the common log format's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["LATEST_US", "TIMESTAMP", "epoch_us", "read_clf_times", "read_nanos", "read_times", "read_time_texts", "time_us"]

TIMESTAMP = pa.timestamp("us", tz="UTC")
LATEST_US = 7_258_118_400_000_000
"""2200-01-01: later times (and those before 1970) are taken for garbage."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_CLF = re.compile(
    r"(\d{1,2})/([A-Za-z]{3}|\d\d)/(\d{4})[: ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: ?([+-])(\d\d):?(\d\d)| ?(?:Z|UTC|GMT))?"
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d(?::\d\d(?::\d\d)?)?)(?:[.,](\d{1,9})\d*)? ?(?:([Zz]|UTC|GMT)|([+-]\d\d)(?::?(\d\d))?)?")
_MONTHS = {m: i for i, m in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
# Texts that the cast is sure to accept: 29 February is left to the slow way, as only some years have it.
_CASTABLE = (
    r"^(?:19[7-9]\d|20\d\d|21\d\d)-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
    r"[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-4]):?[0-5]\d)$"
)


def epoch_us(value: float) -> int:
    """Microseconds of an epoch number in s, ms, us or ns: told apart by size.

    Raises
    ------
    ValueError
        Before 1970 or after 2199.
    """
    size = abs(value)
    if size < 1e11:
        scaled = value * 1_000_000
    elif size < 1e14:
        scaled = value * 1_000
    elif size < 1e17:
        scaled = value
    else:
        scaled = value // 1_000
    return _within(round(scaled))


def time_us(value: object) -> int | None:
    """Epoch microseconds of one logged time; None when there is none ('', '-', null).

    Raises
    ------
    ValueError
        No time, or one that does not exist (31 February).
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return epoch_us(value)
    if not isinstance(value, str):
        raise ValueError("not a time")
    text = value.strip()
    if text in ("", "-"):
        return None
    if _NUMBER.fullmatch(text):
        return epoch_us(int(text) if text.isdigit() else float(text))
    match = _ISO.fullmatch(text)
    if match:
        return _iso_us(match)
    return _clf_us(text)


def _iso_us(match: re.Match[str]) -> int:
    date, clock, fraction, _, hours, minutes = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
    offset = 0
    if hours:
        if abs(int(hours)) > 23 or int(minutes or 0) > 59:
            raise ValueError("no such zone")
        offset = int(hours) * 60 + (int(minutes or 0) if hours[0] == "+" else -int(minutes or 0))
    us = (moment - _EPOCH) // _MICROSECOND - offset * 60_000_000
    return _within(us + int((fraction or "0")[:6].ljust(6, "0")))


def _clf_us(text: str) -> int:
    match = _CLF.fullmatch(text)
    if not match:
        raise ValueError("not a time")
    day, month, year, hour, minute, second, fraction, sign, zone_hours, zone_minutes = match.groups()
    number = _MONTHS.get(month.lower())
    if month.isdigit():  # cPanel writes month/day/year
        number, day = int(day), month
    if number is None:
        raise ValueError("no such month")
    zone = UTC
    if sign:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    moment = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone)
    return _within((moment - _EPOCH) // _MICROSECOND + int((fraction or "0")[:6].ljust(6, "0")))


def _within(us: int) -> int:
    if not 0 <= us < LATEST_US:
        raise ValueError("not between 1970 and 2200")
    return us


def read_times(column: Sequence[object]) -> tuple[pa.Array, NDArray[Any] | None]:
    """Timestamps of a column of JSON values; bad[i] where there is one that cannot be.

    Cost: one cast for texts of one style or for numbers; about 1 us a value otherwise.
    """
    kinds = set(map(type, column))
    if kinds <= {str, type(None)}:
        return read_time_texts(pa.array(column, pa.string()))
    if kinds == {int}:
        try:
            return _read_integers(np.fromiter(column, np.int64, len(column)))
        except OverflowError:
            pass
    return _one_by_one(column, time_us)


def read_time_texts(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """Timestamps of texts: ISO 8601 (no zone = UTC), epoch digits, or the common log format's."""
    try:
        return _checked(texts.cast(TIMESTAMP))
    except pa.ArrowInvalid:
        castable = pc.match_substring_regex(texts, _CASTABLE).fill_null(True)
    times = pc.if_else(castable, texts, pa.scalar(None, pa.string())).cast(TIMESTAMP)
    left = np.flatnonzero(~castable.to_numpy(zero_copy_only=False))
    rest, bad_rest = _read_odd_texts(texts.take(pa.array(left)))
    times, bad = _checked(pc.replace_with_mask(times, pc.invert(castable), rest))
    if bad_rest is not None:
        bad = np.zeros(len(texts), bool) if bad is None else bad
        bad[left[bad_rest]] = True
    return times, bad


def _read_odd_texts(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """Nanoseconds or no zone: still one cast. Anything else one by one."""
    shortened = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    zoned = pc.replace_substring_regex(shortened, r"(:\d\d(?:\.\d+)?)$", r"\1Z")
    if pc.all(pc.match_substring_regex(zoned, _CASTABLE), min_count=0).as_py():
        return zoned.cast(TIMESTAMP), None
    return _one_by_one(texts.to_pylist(), time_us)


def read_clf_times(texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    """Timestamps of '08/Jun/2020:08:04:43 +0000' texts (ISO also passes).

    Cost: 1 us per distinct text; a second of log shares one.
    """
    coded = texts.dictionary_encode()
    times, bad = _one_by_one(coded.dictionary.to_pylist(), time_us)
    picked = times.take(coded.indices)
    if bad is None:
        return picked, None
    indices = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    return picked, bad[indices] & texts.is_valid().to_numpy(zero_copy_only=False)


def read_nanos(column: Sequence[object]) -> NDArray[Any]:
    """Epoch nanoseconds as int64, 0 where absent, -1 where no number (OTLP writes 64-bit integers as strings)."""
    try:
        kinds = set(map(type, column))
        if kinds == {str}:
            return pa.array(column, pa.string()).cast(pa.int64()).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
        if kinds == {int}:
            return np.fromiter(column, np.int64, len(column))
    except (pa.ArrowInvalid, OverflowError):
        pass
    return np.fromiter((_nano(value) for value in column), np.int64, len(column))


def _nano(value: object) -> int:
    if value is None or value == "":
        return 0
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return -1
    return number if 0 <= number < LATEST_US * 1_000 else -1


def _read_integers(values: NDArray[Any]) -> tuple[pa.Array, NDArray[Any] | None]:
    size = np.abs(values)
    us = np.where(size < 10**14, values * 1_000, np.where(size < 10**17, values, values // 1_000))
    us = np.where(size < 10**11, values * 1_000_000, us)
    bad = (us < 0) | (us >= LATEST_US) | (size < 0)
    return pa.array(us).cast(TIMESTAMP), bad if bad.any() else None


def _checked(times: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
    us = times.view(pa.int64()) if times.offset == 0 else times.cast(pa.int64())
    limits = pc.min_max(us).as_py()
    if limits["min"] is None or (limits["min"] >= 0 and limits["max"] < LATEST_US):
        return times, None
    inside = pc.and_(pc.greater_equal(us, 0), pc.less(us, LATEST_US))
    return times, ~inside.fill_null(True).to_numpy(zero_copy_only=False)


def _one_by_one(column: Sequence[object], read: Callable[[object], int | None]) -> tuple[pa.Array, NDArray[Any] | None]:
    """For odd columns only: one Python call per value."""
    values: list[int | None] = []
    bad = np.zeros(len(column), bool)
    for index, value in enumerate(column):
        try:
            values.append(read(value))
        except (ValueError, OverflowError):
            values.append(None)
            bad[index] = True
    return pa.array(values, pa.int64()).cast(TIMESTAMP), bad if bad.any() else None
