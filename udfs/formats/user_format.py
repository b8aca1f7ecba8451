"""A format of the user's own: a table definition in SQL, compiled. What a line of it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.parsed import Parsed
from udfs.formats.user_expressions import Expression, Rows, as_number, as_text, is_null_text
from udfs.formats.user_functions import to_time
from udfs.formats.user_grok import group_names
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.quantities import duration_ms
from udfs.formats.values.targets import read_request_lines, read_targets

__all__ = ["UserFormat", "read_user_objects"]

_UNITS_MS = {"duration_ms": 1.0, "duration_s": 1e3, "duration_us": 1e-3, "duration_ns": 1e-6}
_LARGEST = float(2**62)
_NO_TEXT = pa.scalar(None, pa.string())


@dataclass(frozen=True)
class UserFormat:
    """One format; picklable, so that it travels to the workers."""

    name: str
    """Goes into the column `format`."""
    columns: tuple[tuple[str, Expression], ...]
    """(target, expression); targets are those of `udfs.formats.dialect.TARGETS`."""
    pattern: str = ""
    """Regular expression whose groups the expressions name; '' = none."""
    line_matches: str = ""
    """Regular expression a line must match besides; '' = every line that the pattern takes."""
    keys: tuple[str, ...] = ()
    """Keys a JSON line must have. Not () = a format of JSON lines."""
    values: tuple[tuple[str, str], ...] = ()
    """Values that keys of a JSON line must have."""
    source: str = ""
    """File it was defined in."""
    expressions: tuple[tuple[str, str], ...] = ()
    """(target, expression as it was written): shown by `anomasec parse --explain`."""

    @property
    def is_json(self) -> bool:
        """Whether its lines are JSON objects."""
        return bool(self.keys)

    def looks_like(self, lines: pa.Array) -> pa.Array:
        """Whether a line (string) may be of the format. Cost: one scan."""
        return pc.match_substring_regex(lines, self.line_matches or self.pattern)

    def parse(self, lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
        """Events of lines, and which lines (bool[n]) were of the format at all. Cost: 3-8 us a line, by the pattern."""
        taken: NDArray[Any] = np.ones(len(lines), bool)
        groups: dict[str, pa.Array] = {}
        if self.pattern:
            parts = pc.extract_regex(lines, self.pattern) if group_names(self.pattern) else None
            matched = pc.match_substring_regex(lines, self.pattern) if parts is None else parts.is_valid()
            taken = matched.to_numpy(zero_copy_only=False)
            if not taken.all():
                lines, index = lines.filter(matched), index[taken]
                parts = None if parts is None else parts.filter(matched)
            if parts is not None:
                names = group_names(self.pattern)
                texts = (pc.if_else(pc.equal(part, ""), _NO_TEXT, part) for part in parts.flatten())
                groups = dict(zip(names, texts, strict=True))
        return self.read_rows(Rows(len(lines), {"line": lines, **groups}), index), taken

    def takes_keys(self, keys: frozenset[str]) -> bool:
        """Whether a JSON object with these keys may be of the format."""
        return self.is_json and all(key in keys for key in self.keys)

    def parse_objects(self, objects: list[Any], index: NDArray[Any]) -> Parsed:
        """Events of JSON objects."""
        return self.read_rows(Rows(len(objects), {}, objects), index)

    def read_rows(self, rows: Rows, index: NDArray[Any]) -> Parsed:
        """Events of rows that are known to be of the format."""
        parsed = Parsed(index)
        for target, expression in self.columns:
            value = expression.evaluate(rows)
            array = pa.repeat(value, rows.count) if isinstance(value, pa.Scalar) else value
            array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            name = "duration_ms" if target in _UNITS_MS else target
            column = _column(rows, target, array)
            rows.settle(parsed, column)
            parsed.columns[name] = pc.coalesce(parsed.columns[name], column) if name in parsed.columns else column
        _read_request(parsed)
        _read_end(parsed)
        parsed.columns["format"] = pa.repeat(pa.scalar(self.name), rows.count)
        parsed.columns.setdefault("kind", pa.repeat(pa.scalar("access"), rows.count))
        return parsed


def read_user_objects(
    formats: tuple[UserFormat, ...], objects: list[Any], index: NDArray[Any]
) -> tuple[list[Parsed], list[Any], NDArray[Any]]:
    """Results of the objects that are of a user's format, and the rest with their lines.

    Formats are found per distinct set of keys, of which there are few.
    """
    shapes = list(map(tuple, objects))
    candidates = {shape: [f for f in formats if f.takes_keys(frozenset(shape))] for shape in set(shapes)}
    if not any(candidates.values()):
        return [], objects, index
    rows: dict[int, list[int]] = {}
    left: list[int] = []
    for row, shape in enumerate(shapes):
        chosen = next((f for f in candidates[shape] if _has_values(objects[row], f.values)), None)
        (left if chosen is None else rows.setdefault(formats.index(chosen), [])).append(row)
    results = [formats[place].parse_objects([objects[row] for row in own], index[np.array(own)]) for place, own in rows.items()]
    return results, [objects[row] for row in left], index[np.array(left, np.int64)]


def _has_values(value: dict[str, Any], wanted: tuple[tuple[str, str], ...]) -> bool:
    return all(str(value.get(key)) == text for key, text in wanted)


def _column(rows: Rows, target: str, value: pa.Array) -> pa.Array:
    """The value as the column of a target."""
    if target in ("timestamp", "end_time"):
        return to_time(rows, value)
    if target in _UNITS_MS:
        return _durations(rows, value, _UNITS_MS[target])
    if target == "http_response_status_code":
        numbers = as_number(rows, value, "invalid_status")
        absent = pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, -1.0))
        good = pc.and_(pc.and_(pc.greater_equal(numbers, 100.0), pc.less(numbers, 600.0)), pc.equal(pc.floor(numbers), numbers))
        rows.fail(pc.invert(pc.or_(good, absent)), "invalid_status", value)
        return pc.cast(pc.if_else(good, numbers, pa.scalar(None, pa.float64())), pa.uint16())
    if target == "http_response_body_size":
        numbers = as_number(rows, value, "invalid_size")
        good = pc.and_(pc.and_(pc.greater_equal(numbers, 0.0), pc.less(numbers, _LARGEST)), pc.equal(pc.floor(numbers), numbers))
        rows.fail(pc.invert(pc.or_(good, pc.equal(numbers, -1.0))), "invalid_size", value)
        return pc.cast(pc.if_else(good, numbers, pa.scalar(None, pa.float64())), pa.int64(), safe=False)
    texts = as_text(value)
    texts = pc.if_else(is_null_text(texts), _NO_TEXT, texts)
    return read_addresses(texts) if target == "client_address" else texts


def _durations(rows: Rows, value: pa.Array, unit_ms: float) -> pa.Array:
    """Milliseconds; a unit in the text ('12ms', '0.006s') goes before that of the target; negative ones fail."""
    if pa.types.is_string(value.type):
        with_unit = pc.match_substring_regex(value, r"^\s*[0-9.]+ ?[a-zµμ]+\s*$").fill_null(False)
        if pc.any(with_unit).as_py():
            own, bad = _read_units(value.filter(with_unit).to_pylist())
            mask = np.zeros(len(value), bool)
            mask[np.flatnonzero(with_unit.to_numpy(zero_copy_only=False))[bad]] = True
            rows.fail(mask, "invalid_duration", value)
            plain = _durations(rows, pc.if_else(with_unit, _NO_TEXT, value), unit_ms)
            return pc.replace_with_mask(plain, with_unit, own)
    numbers = as_number(rows, value, "invalid_duration")
    good = pc.and_(pc.greater_equal(numbers, 0.0), pc.less(numbers, float("inf")))
    rows.fail(pc.invert(good), "invalid_duration", value)
    return pc.round(pc.multiply(pc.if_else(good, numbers, pa.scalar(None, pa.float64())), unit_ms), 9)


def _read_units(texts: list[str]) -> tuple[pa.Array, NDArray[Any]]:
    values: list[float | None] = []
    bad = np.zeros(len(texts), bool)
    for place, text in enumerate(texts):
        try:
            values.append(duration_ms(text))
        except (ValueError, OverflowError):
            values.append(None)
            bad[place] = True
    return pa.array(values, pa.float64()), bad


def _read_request(parsed: Parsed) -> None:
    """Targets and request lines become path, query and host; what a column of its own says goes first."""
    columns = parsed.columns
    if "url_path" in columns:
        target = read_targets(columns.pop("url_path"))
        columns["url_path"] = target.path
        _fill(columns, "url_query", target.query)
        _fill(columns, "server_address", target.host)
    request = columns.pop("request", None)
    if request is not None:
        parts = read_request_lines(request)
        _fill(columns, "http_request_method", parts.method)
        _fill(columns, "url_path", parts.path)
        _fill(columns, "url_query", parts.query)
        _fill(columns, "server_address", parts.host)
    if "url_query" in columns:
        columns["url_query"] = pc.replace_substring_regex(columns["url_query"], r"^\?", "")


def _fill(columns: dict[str, pa.Array], name: str, array: pa.Array) -> None:
    columns[name] = pc.coalesce(columns[name], array) if name in columns else array


def _read_end(parsed: Parsed) -> None:
    """The duration from start and end, where none is logged; the end is the time of a line that tells no other."""
    end = parsed.columns.pop("end_time", None)
    if end is None:
        return
    start = parsed.columns.setdefault("timestamp", end)
    if start is end:
        return
    length_ms = pc.divide(pc.cast(pc.subtract(end.cast(pa.int64()), start.cast(pa.int64())), pa.float64()), 1e3)
    _fill(parsed.columns, "duration_ms", length_ms)
    bad = pc.less(parsed.columns["duration_ms"], 0.0).fill_null(False).to_numpy(zero_copy_only=False)
    parsed.refuse(bad if bad.any() else None, "invalid_duration", parsed.columns["duration_ms"])
