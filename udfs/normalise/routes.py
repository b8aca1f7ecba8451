"""Route templates of paths: what changes from request to request becomes {id}."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["read_routes"]

_TOKEN = r"[0-9A-Za-z_=.~+-]"
_IDS = (
    r"\d+",
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
    r"(?:REDACTED)",
)
"""A segment that is wholly one of these is an id: number, UUID, hash, date, address, e-mail, user text, order-4711, A10023."""
_ID = "^(?:" + "|".join(_IDS) + ")$"
# Tokens are long and mixed. RE2 has no lookahead, so each property is a pattern of its own.
_LONG_TOKEN = f"^{_TOKEN}{{20,}}$"
_MIXED_TOKEN = f"^{_TOKEN}{{10,}}$"
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
    parts = pc.extract_regex(segments, _VERB)
    verb_head, verb = _field(parts, 0), _field(parts, 1)
    parts = pc.extract_regex(segments, _EXTENSION)
    file_head, extension = _field(parts, 0), _field(parts, 1)
    result = pc.if_else(_is_id(file_head).fill_null(False), pc.binary_join_element_wise("{id}", extension, ""), segments)
    result = pc.if_else(_is_id(verb_head).fill_null(False), pc.binary_join_element_wise("{id}:", verb, ""), result)
    return pc.if_else(_is_id(segments), "{id}", result)


def _is_id(texts: pa.Array) -> pa.Array:
    digit = pc.match_substring_regex(texts, r"\d.*\d")
    letter = pc.match_substring_regex(texts, "[A-Za-z]")
    both_cases = pc.and_(pc.match_substring_regex(texts, "[A-Z]"), pc.match_substring_regex(texts, "[a-z]"))
    long_token = pc.and_(pc.match_substring_regex(texts, _LONG_TOKEN), pc.and_(digit, letter))
    mixed_token = pc.and_(pc.match_substring_regex(texts, _MIXED_TOKEN), pc.and_(pc.match_substring_regex(texts, r"\d"), both_cases))
    return pc.or_(pc.match_substring_regex(texts, _ID), pc.or_(long_token, mixed_token))


def _field(parts: pa.Array, place: int) -> pa.Array:
    return pc.if_else(parts.is_valid(), parts.field(place), _NULL)
