"""Route templates of paths: what changes from request to request becomes {id}."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["read_routes"]

_TOKEN = r"[0-9A-Za-z_=.~+-]"
_IDS = (
    r"-?\d+",
    r"\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?",
    r"[0-9a-fA-F]{16,}",
    r"(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]{7,}|[0-9a-fA-F]{7,}\d[0-9a-fA-F]*",
    r"\d{4}-\d\d(?:-\d\d)?(?:[T_ ].*)?",
    r"\d{1,3}(?:\.\d{1,3}){3}",
    r"[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*",
    r"[^@/]+(?:@|%40)[^@/]+\.[^@/]+",
    r".*%[0-9A-Fa-f]{2}.*",
    r"[A-Za-z]{1,12}[_-]\d{2,}",
    r"[A-Za-z]{1,4}\d{4,}",
    r"[a-z]{2,10}_(?:[0-9A-Za-z]*\d[0-9A-Za-z]{5,}|[0-9A-Za-z]{5,}\d[0-9A-Za-z]*)",
    r"(?:[a-z0-9]+-){2,}\d{3,}|\d{3,}(?:-[A-Za-z]+)+",
    r"\d{1,2}-\d{1,2}-\d{4}|\d{4}-[WQ]\d{1,2}(?:-\d)?",
    r"-?\d{1,3}\.\d{3,}|-?\d{1,3}\.\d+,-?\d{1,3}\.\d+(?:,.*)?",
    r"[A-Za-z0-9+_-]{6,}={1,2}",
    r"(?:arn|urn):.+",
    r"[@~][\w.-]+",
    r"[\w-]+\.[0-9a-f]{8,20}",
    r"\d+(?:,\d+)+",
    r".*REDACTED.*",
)
"""A segment that is wholly one of these is an id: number, UUID, hash, date, address, e-mail, user text, order-4711, A10023, a slug with a
number at its end or start, date the other way round, week, coordinates, base64 with its padding, ARN, @handle, file with a hash, list."""
_LOCALE = "^[a-z]{2}[-_][0-9]{3}$"
_ID = "^(?:" + "|".join(_IDS) + ")$"
# Tokens are long and mixed. RE2 has no lookahead, so each property is a pattern of its own.
_LONG_TOKEN = f"^{_TOKEN}{{20,}}$"
_MIXED_TOKEN = f"^{_TOKEN}{{10,}}$"
_SHORT_HASH = "^[0-9a-f]{7,15}$"
_CODE = r"^[A-Z0-9]{2,}(?:-[A-Z0-9]{2,})+$"
_SHORTEST_TOKEN, _LOCALE_LENGTH = 5, 6
_VERB = r"^(?P<head>.+):(?P<tail>[A-Za-z][A-Za-z_-]*)$"
_EXTENSION = r"^(?P<head>.+?)(?P<tail>\.[A-Za-z][A-Za-z0-9]{0,4})$"
# '/7/' needs its closing slash, which the next number needs too: doubled, each has its own.
_NUMBERS_ONLY = r"/\d+(/|$)"
_NULL = pa.scalar(None, pa.string())


def read_routes(paths: pa.Array) -> pa.Array:
    """Template of each raw path; null and '' become ''.

    '/v1/users/17/orders' -> '/v1/users/{id}/orders', '/v1/payments/84833:capture' -> '/v1/payments/{id}:capture'.

    Cost: 0.3 us a path for its numbers, the rest per distinct path: 3 us.
    """
    bare = pc.replace_substring_regex(paths, _NUMBERS_ONLY, r"/{id}\1")
    coded = bare.dictionary_encode()
    return pc.fill_null(pc.take(_templates(coded.dictionary), coded.indices), "")


def _templates(paths: pa.Array) -> pa.Array:
    """Templates of distinct paths."""
    if not len(paths):
        return paths
    segments = pc.split_pattern(pc.replace_substring_regex(paths, r";[^/]*", ""), "/")
    coded = pc.list_flatten(segments).dictionary_encode()
    named = pc.take(_segments(coded.dictionary), coded.indices)
    joined = pc.binary_join(pa.ListArray.from_arrays(segments.offsets, named), "/")
    return pc.if_else(pc.starts_with(paths, "/"), joined, paths)


def _segments(segments: pa.Array) -> pa.Array:
    """Each distinct segment, or {id} in its place; a verb or a file extension behind an id stays."""
    is_id = _is_id(segments)
    result = pc.if_else(pa.array(is_id), "{id}", segments)
    # Few segments that are no ids have such an end: only those are taken apart.
    tailed = np.flatnonzero(~is_id & pc.match_substring_regex(segments, "[:.]").to_numpy(zero_copy_only=False))
    if not len(tailed):
        return result
    few = segments.take(pa.array(tailed))
    parts = pc.extract_regex(few, _VERB)
    verb_head, verb = _field(parts, 0), _field(parts, 1)
    parts = pc.extract_regex(few, _EXTENSION)
    file_head, extension = _field(parts, 0), _field(parts, 1)
    cut = pc.if_else(pa.array(_is_id(file_head)), pc.binary_join_element_wise("{id}", extension, ""), few)
    cut = pc.if_else(pa.array(_is_id(verb_head)), pc.binary_join_element_wise("{id}:", verb, ""), cut)
    mask = np.zeros(len(segments), bool)
    mask[tailed] = True
    return pc.replace_with_mask(result, pa.array(mask), cut)


def _is_id(texts: pa.Array) -> NDArray[Any]:
    """bool[n]: whether each text is an id; null is none."""
    lengths = pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False)
    found: NDArray[Any] = pc.match_substring_regex(texts, _ID).fill_null(False).to_numpy(zero_copy_only=False).copy()
    # What is no id by its form may be a token, if it is long enough.
    rest = np.flatnonzero(~found & (lengths >= _SHORTEST_TOKEN))
    # es-419 is Spanish as spoken in Latin America.
    maybe_locale = np.flatnonzero(found & (lengths == _LOCALE_LENGTH))
    if len(maybe_locale):
        found[maybe_locale] = ~_matches(texts.take(pa.array(maybe_locale)), _LOCALE)
    if len(rest):
        found[rest] = _is_token(texts.take(pa.array(rest)))
    return found


def _is_token(texts: pa.Array) -> NDArray[Any]:
    """bool[n]: whether each text is long and mixed; a token has a digit."""
    result = np.zeros(len(texts), bool)
    rows = np.flatnonzero(_matches(texts, r"\d"))
    if not len(rows):
        return result
    texts = texts.take(pa.array(rows))
    two_digits = _matches(texts, r"\d.*\d") & _matches(texts, "[A-Za-z]")
    both_cases = _matches(texts, "[A-Z]") & _matches(texts, "[a-z]")
    short = _matches(texts, _SHORT_HASH) | _matches(texts, _CODE) | _matches(texts, _LONG_TOKEN)
    result[rows] = (short & two_digits) | (_matches(texts, _MIXED_TOKEN) & both_cases)
    return result


def _matches(texts: pa.Array, pattern: str) -> NDArray[Any]:
    found: NDArray[Any] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def _field(parts: pa.Array, place: int) -> pa.Array:
    return pc.if_else(parts.is_valid(), parts.field(place), _NULL)
