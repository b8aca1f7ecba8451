"""Cut lines up at a separator: most access lines are regular, and splitting costs a tenth of what a regular expression does.

A text format has two readers that give the same fields: a quick one, which cuts at quotes and blanks and says of which lines it is sure,
and a regular expression for the others (escaped quotes, odd heads, broken requests). `cut_lines` joins the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = [
    "Cut",
    "Pieces",
    "constant",
    "cut_lines",
    "equals",
    "few_match",
    "holds",
    "holds_byte",
    "logged",
    "match_lines",
    "matches",
    "where",
]

_NULL = pa.scalar(None, pa.string())
Reader = Callable[[pa.Array], tuple[dict[str, pa.Array], NDArray[Any]]]


class Pieces:
    """Texts split at a separator; pieces are taken by place, also from the end. Texts must not be null.

    Cost: 0.1-0.2 us a text to split, 0.02 us for each column taken.
    """

    def __init__(self, texts: pa.Array, separator: str, limit: int | None = None, reverse: bool = False) -> None:
        lists = pc.split_pattern(texts, separator, max_splits=limit, reverse=reverse)
        offsets = lists.offsets.to_numpy()
        self._flat = lists.flatten()
        self._start = offsets[:-1] - offsets[0]
        self._end = offsets[1:] - offsets[0]
        self.count = self._end - self._start
        """int[n]: pieces of each text."""

    def at(self, place: int) -> pa.Array:
        """Piece at a place of each text; null where there are not so many."""
        index = self._start + place if place >= 0 else self._end + place
        there = self.count > place if place >= 0 else self.count >= -place
        if there.all():
            return self._flat.take(pa.array(index))
        return self._flat.take(pa.array(index, mask=~there))


class Cut(NamedTuple):
    """Fields of the lines that are of a format."""

    fields: dict[str, pa.Array]
    """Texts by name, one per line taken; null or '' where a line has none."""
    line: NDArray[Any]
    """int64[m]: input lines of the rows."""
    taken: NDArray[Any]
    """bool[n]: which of the lines offered were of the format."""


def cut_lines(lines: pa.Array, index: NDArray[Any], quick: Reader, pattern: str) -> Cut:
    """Fields of lines by the quick reader, and by the pattern's named groups where it is not sure.

    Parameters
    ----------
    lines : string[n], not null
    index : int64[n], the input line of each
    quick : gives columns for all lines and which of them (bool[n]) are right
    pattern : RE2 pattern with a named group for each field
    """
    fields, sure = quick(lines)
    if sure.all():
        return Cut(fields, index, sure)
    odd = np.flatnonzero(~sure)
    rest, matched = match_lines(lines.take(pa.array(odd)), pattern)
    taken = sure.copy()
    taken[odd[matched]] = True
    # Order of rows within a format does not matter: the stage sorts by line.
    keep = pa.array(sure)
    nothing = pa.nulls(len(odd), pa.string()).filter(pa.array(matched))
    joined = {name: pa.concat_arrays([array.filter(keep), rest.get(name, nothing)]) for name, array in fields.items()}
    return Cut(joined, np.concatenate([index[sure], index[odd[matched]]]), taken)


def match_lines(lines: pa.Array, pattern: str) -> tuple[dict[str, pa.Array], NDArray[Any]]:
    """Named groups of the lines that match, and which (bool[n]) do. A group that took no part gives ''."""
    parts = pc.extract_regex(lines, pattern)
    matched: NDArray[Any] = parts.is_valid().to_numpy(zero_copy_only=False)
    if not matched.all():
        parts = parts.filter(pa.array(matched))
    names = [field.name for field in parts.type]
    return dict(zip(names, parts.flatten(), strict=True)), matched


def logged(texts: pa.Array) -> pa.Array:
    """'-' and '' mean that nothing was logged: null."""
    shortest = pc.min(pc.binary_length(texts)).as_py()
    if shortest is None or shortest > 1:
        return texts
    return pc.if_else(pc.or_(pc.equal(texts, "-"), pc.equal(texts, "")), _NULL, texts)


def where(condition: pa.Array | NDArray[Any], texts: pa.Array) -> pa.Array:
    """The texts where the condition holds, else null."""
    return pc.if_else(condition if isinstance(condition, pa.Array) else pa.array(condition), texts, _NULL)


def constant(text: str, n: int) -> pa.Array:
    """The same text n times."""
    return pa.repeat(pa.scalar(text), n)


def equals(texts: pa.Array, *wanted: str) -> NDArray[Any]:
    """bool[n]: whether each text is one of those wanted; null is not."""
    found = pc.equal(texts, wanted[0]) if len(wanted) == 1 else pc.is_in(texts, pa.array(wanted))
    result: NDArray[Any] = found.fill_null(False).to_numpy(zero_copy_only=False)
    return result


def matches(texts: pa.Array, pattern: str) -> NDArray[Any]:
    """bool[n]: whether each text holds the pattern; null does not."""
    result: NDArray[Any] = pc.match_substring_regex(texts, pattern).fill_null(False).to_numpy(zero_copy_only=False)
    return result


def few_match(texts: pa.Array, pattern: str) -> NDArray[Any]:
    """bool[n]: whether the texts, of which few differ, match; null does not. Cost: one look-up a text."""
    coded = texts.dictionary_encode()
    good = pa.array(matches(coded.dictionary, pattern), pa.bool_())
    if pc.all(good, min_count=0).as_py() and not coded.indices.null_count:
        return np.ones(len(texts), bool)
    result: NDArray[Any] = good.take(coded.indices).fill_null(False).to_numpy(zero_copy_only=False)
    return result


def holds(texts: pa.Array, piece: str) -> NDArray[Any]:
    """bool[n]: whether each text holds the piece; costs next to nothing where none of a batch does."""
    if not holds_byte(texts, piece.encode()[:1]):
        return np.zeros(len(texts), bool)
    result: NDArray[Any] = pc.match_substring(texts, piece).fill_null(False).to_numpy(zero_copy_only=False)
    return result


def holds_byte(texts: pa.Array, byte: bytes) -> bool:
    """Whether any of the texts holds a byte: one search through their common buffer."""
    data = texts.buffers()[2]
    if not len(texts) or data is None:
        return False
    wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    offsets = np.frombuffer(texts.buffers()[1], np.int64 if wide else np.int32)
    start, stop = int(offsets[texts.offset]), int(offsets[texts.offset + len(texts)])
    return memoryview(data)[start:stop].tobytes().find(byte) >= 0
