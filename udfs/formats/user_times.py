"""Times written to a pattern, as Flink's TO_TIMESTAMP takes it: `dd/MMM/yyyy:HH:mm:ss Z`.

https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/time/format/DateTimeFormatter.html ("Patterns for Formatting and
Parsing"); of its letters those that name a moment: y u M d H h a m s S Z X x z E, and text in quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.values.times import TIMESTAMP, read_time_texts

__all__ = ["TimePattern", "time_pattern"]

_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_TWO_DIGITS = pa.array([f"{number:02}" for number in range(60)])
_NUMBERS = {
    "y": r"\d{4}",
    "u": r"\d{4}",
    "M": r"\d{1,2}",
    "d": r" ?\d{1,2}",
    "H": r"\d{1,2}",
    "h": r"\d{1,2}",
    "m": r"\d{2}",
    "s": r"\d{2}",
}
_ZONE = r"[+-]\d{2}(?::?\d{2})?|Z|UTC|GMT"
_PIECES = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")


@dataclass(frozen=True)
class TimePattern:
    """A pattern, ready to read columns of texts."""

    expression: str
    groups: tuple[str, ...]
    has_zone: bool
    zone: str
    """Zone of times that name none: 'UTC', '+02:00' or 'Europe/Berlin'."""

    def read(self, texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
        """Timestamps; bad[i] where a text is no time of the pattern. Cost: one regular expression per distinct text."""
        coded = texts.dictionary_encode()
        times, bad = self._read_distinct(coded.dictionary)
        picked = times.take(coded.indices)
        if bad is None:
            return picked, None
        indices = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return picked, bad[indices] & texts.is_valid().to_numpy(zero_copy_only=False)

    def _read_distinct(self, texts: pa.Array) -> tuple[pa.Array, NDArray[Any] | None]:
        parts = pc.extract_regex(texts, self.expression)
        found = dict(zip(self.groups, parts.flatten(), strict=True))
        date = [self._year(found), self._month(found), _padded(found["d"])]
        clock = [self._hour(found), found.get("m", "00"), found.get("s", "00")]
        fraction = pc.utf8_slice_codeunits(found["S"], 0, 6) if "S" in found else "0"
        iso = pc.binary_join_element_wise(pc.binary_join_element_wise(*date, "-"), pc.binary_join_element_wise(*clock, ":"), "T")
        iso = pc.binary_join_element_wise(iso, fraction, self._suffix(found), pa.scalar(""))
        iso = pc.if_else(parts.is_valid(), iso, pa.scalar("no time"))
        iso = pc.if_else(texts.is_valid(), iso, pa.scalar(None, pa.string()))
        times, bad = read_time_texts(pc.replace_substring_regex(iso, r"(:\d\d)(\d{1,6})(Z|[+-])", r"\1.\2\3"))
        if self.has_zone or self.zone == "UTC" or self.zone[0] in "+-":
            return times, bad
        local = times.cast(pa.timestamp("us"))
        return pc.assume_timezone(local, self.zone, ambiguous="earliest", nonexistent="earliest").cast(TIMESTAMP), bad

    def _year(self, found: dict[str, pa.Array]) -> pa.Array:
        return pc.binary_join_element_wise("20", found["yy"], "") if "yy" in found else found["y"]

    def _month(self, found: dict[str, pa.Array]) -> pa.Array:
        if "M" in found:
            return _padded(found["M"])
        place = pc.index_in(pc.utf8_slice_codeunits(pc.utf8_lower(found["MMM"]), 0, 3), _MONTHS)
        return pc.coalesce(_TWO_DIGITS.take(pc.add(place, 1)), pa.scalar("00"))

    def _hour(self, found: dict[str, pa.Array]) -> pa.Array | str:
        if "h" in found and "a" in found:
            # What did not match at all is '' and must not be counted with.
            hours = pc.if_else(pc.equal(found["h"], ""), "0", found["h"]).cast(pa.int64())
            late = pc.if_else(pc.equal(pc.utf8_lower(found["a"]), "pm"), 12, 0)
            hours = pc.add(pc.if_else(pc.equal(hours, 12), 0, hours), late)
            return pc.if_else(pc.less(hours, 24), _TWO_DIGITS.take(pc.if_else(pc.less(hours, 24), hours, 0)), "99")
        return _padded(found["H"]) if "H" in found else "00"

    def _suffix(self, found: dict[str, pa.Array]) -> pa.Array | str:
        if self.has_zone:
            zone = pc.replace_substring_regex(found["Z"], "^(?:UTC|GMT)$", "Z")
            return pc.replace_substring_regex(zone, r"^([+-]\d\d)$", r"\1:00")
        return self.zone if self.zone[0] in "+-" else "Z"


def _padded(texts: pa.Array) -> pa.Array:
    return pc.utf8_lpad(pc.utf8_ltrim_whitespace(texts), 2, "0")


def time_pattern(pattern: str, zone: str = "UTC") -> TimePattern:
    """Compile a pattern.

    Raises
    ------
    ValueError
        A letter that is not known, one given twice, no date in it, or no such zone.
    """
    expression, groups = ["^"], list[str]()
    for match in _PIECES.finditer(pattern):
        piece = match.group(0)
        if piece[0] == "'":
            expression.append(re.escape(match.group(1).replace("''", "'") or "'"))
            continue
        if not piece[0].isalpha():
            expression.append(re.escape(piece))
            continue
        name, part = _part(piece)
        if name in groups:
            raise ValueError(f"'{piece}' is there twice")
        expression.append(f"(?P<{name}>{part})" if name else part)
        groups += [name] if name else []
    if not ({"y", "yy"} & set(groups) and {"M", "MMM"} & set(groups) and "d" in groups):
        raise ValueError("it names no day: year, month and day are needed")
    if zone != "UTC" and not re.fullmatch(r"[+-]\d\d:\d\d", zone):
        try:
            pc.assume_timezone(pa.array([0]).cast(pa.timestamp("us")), zone)
        except pa.ArrowInvalid:
            raise ValueError(f"no time zone '{zone}'") from None
    return TimePattern("".join(expression) + "$", tuple(groups), "Z" in groups, zone)


def _part(piece: str) -> tuple[str, str]:
    """Name and expression of a run of one letter."""
    letter = piece[0]
    if piece in ("yy", "uu"):
        return "yy", r"\d{2}"
    if letter == "M" and len(piece) >= 3:
        return "MMM", "[A-Za-z]{3,9}"
    if letter in "yu":
        return "y", _NUMBERS["y"]
    if letter in _NUMBERS:
        return letter, _NUMBERS[letter]
    if letter == "S":
        return "S", r"\d{1,9}"
    if letter in "ZXxz":
        return "Z", _ZONE
    if letter == "a":
        return "a", "(?i:am|pm)"
    if letter == "E":
        return "", "[A-Za-z]{3,9}"
    raise ValueError(f"'{piece}' is no part of a time")
