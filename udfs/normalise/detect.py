"""Which format each line is of: by its first bytes, then by the formats' own patterns."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats import aws_alb, common_log, envoy_text, haproxy, openstack_api
from udfs.formats.envelope import is_envelope, read_envelopes
from udfs.formats.json_lines import load_lines, read_objects
from udfs.formats.not_access import is_not_access
from udfs.formats.otlp import is_export, read_exports
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.user_format import read_user_objects
from udfs.normalise.settings import NormaliseSettings

__all__ = ["read_lines"]

_TEXT_FORMATS = (common_log, aws_alb, envoy_text, haproxy, openstack_api)
_JSON = rb"^[ \t]*[{\[]"
_HEADER = r"^#(?:Version|Fields|Software|Date|Start-Date|End-Date|Remark): "
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_NO_LINES = np.zeros(0, np.int64)


def read_lines(lines: pa.Array, settings: NormaliseSettings) -> list[Parsed]:
    """Parse lines of any format.

    Parameters
    ----------
    lines : large_binary[n] without line ends

    Returns
    -------
    One result per format found, and one of the lines that no format takes. W3C header lines are in none.
    """
    n = len(lines)
    if not n:
        return []
    is_json = pc.starts_with(lines, b"{")
    if not pc.all(is_json).as_py():
        # An object or array may be indented; '[' may also start an Envoy line, which the text formats then take.
        is_json = pc.match_substring_regex(lines, _JSON.decode()) if _all_utf8(lines) else _match_bytes(lines)
    json_rows = np.flatnonzero(is_json.to_numpy(zero_copy_only=False))
    results: list[Parsed] = []
    left: list[NDArray[Any]] = []
    if len(json_rows):
        parsed, not_json = _read_json(lines if len(json_rows) == n else lines.take(pa.array(json_rows)), json_rows, settings)
        results += parsed
        left.append(not_json)
    if len(json_rows) < n:
        left.append(np.flatnonzero(~is_json.to_numpy(zero_copy_only=False)))
    rows = np.sort(np.concatenate(left)) if left else _NO_LINES
    if len(rows):
        results += _read_texts(lines.take(pa.array(rows)), rows, settings)
    return results


def _all_utf8(lines: pa.Array) -> bool:
    try:
        lines.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _match_bytes(lines: pa.Array) -> pa.Array:
    heads = pc.binary_slice(lines, 0, 1)
    return pc.is_in(heads, pa.array([b"{", b"[", b" ", b"\t"], heads.type))


def _read_json(lines: pa.Array, rows: NDArray[Any], settings: NormaliseSettings) -> tuple[list[Parsed], NDArray[Any]]:
    """Results of JSON lines, and the rows that were no JSON after all but may be lines of a text format ('[...')."""
    texts: list[bytes] = lines.to_numpy(zero_copy_only=False).tolist()  # several times faster than to_pylist
    lengths = pc.binary_length(lines)
    refused: dict[int, Refusal] = {}
    if pc.max(lengths).as_py() > settings.max_json_bytes:
        for place in np.flatnonzero(pc.greater(lengths, settings.max_json_bytes).to_numpy(zero_copy_only=False)).tolist():
            refused[place] = Refusal("too_long", f"{len(texts[place])} bytes, at most {settings.max_json_bytes} are read")
            texts[place] = b"{}"
    values = load_lines(texts)
    kinds = set(map(type, values))
    not_json: list[int] = []
    if kinds != {dict} or refused:
        values, rows, refused_rows, not_json = _sort_out(values, texts, rows, refused)
    else:
        refused_rows = Parsed(_NO_LINES)
    results = [refused_rows] if len(refused_rows.line) else []
    results += _read_values(values, rows, settings)
    return results, np.array(not_json, np.int64)


def _sort_out(
    values: list[Any], texts: list[bytes], rows: NDArray[Any], refused: dict[int, Refusal]
) -> tuple[list[dict[str, Any]], NDArray[Any], Parsed, list[int]]:
    """Objects with their rows; refusals; rows left to the text formats. Touches only the lines that are no objects."""
    odd = [place for place, kind in enumerate(map(type, values)) if kind is not dict or place in refused]
    not_json: list[int] = []
    for place in odd:
        value, text = values[place], texts[place]
        if place in refused:
            continue
        if isinstance(value, Refusal):
            if not text.lstrip().startswith(b"{"):
                not_json.append(place)
            else:
                refused[place] = value if _is_utf8(text) else Refusal("invalid_utf8", value.detail)
        else:
            refused[place] = Refusal("unknown_format", "a JSON value, but no object")
    keep = np.ones(len(values), bool)
    keep[odd] = False
    places = sorted(refused)
    dead = Parsed(rows[np.array(places, np.int64)], refused=dict(enumerate(refused[place] for place in places)))
    return list(compress(values, keep.tolist())), rows[keep], dead, rows[np.array(not_json, np.int64)].tolist()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_values(values: list[dict[str, Any]], rows: NDArray[Any], settings: NormaliseSettings) -> list[Parsed]:
    """A user's own formats, OTLP exports and other objects."""
    own: list[Parsed] = []
    if values and any(each.is_json for each in settings.formats):
        own, values, rows = read_user_objects(settings.formats, values, rows)
    return own + _read_known_values(values, rows, settings)


def _read_known_values(values: list[dict[str, Any]], rows: NDArray[Any], settings: NormaliseSettings) -> list[Parsed]:
    if not values:
        return []
    # An export has few keys, an event has many: most batches are ruled out by their lengths.
    few_keys = min(map(len, values)) <= 3
    exports = [place for place, value in enumerate(values) if is_export(value)] if few_keys else []
    wrapped = [place for place, value in enumerate(values) if is_envelope(value)] if few_keys else []
    if not exports and not wrapped:
        return read_objects(values, rows, settings.field_mapping)
    results = read_exports([values[place] for place in exports], rows[exports]) if exports else []
    if wrapped:
        results += read_envelopes([values[place] for place in wrapped], rows[wrapped], settings.field_mapping)
    others = np.ones(len(values), bool)
    others[[*exports, *wrapped]] = False
    if others.any():
        results += read_objects([values[place] for place in np.flatnonzero(others).tolist()], rows[others], settings.field_mapping)
    return results


def _read_texts(lines: pa.Array, rows: NDArray[Any], settings: NormaliseSettings) -> list[Parsed]:
    """Text formats in turn; each takes the lines that are its own."""
    refused: dict[int, Refusal] = {}
    lengths = pc.binary_length(lines).to_numpy(zero_copy_only=False)
    for place in np.flatnonzero(lengths > settings.max_text_bytes).tolist():
        refused[place] = Refusal("too_long", f"{lengths[place]} bytes, at most {settings.max_text_bytes} are read")
    if not _all_utf8(lines):
        for place, text in enumerate(lines.to_pylist()):
            if place not in refused and not _is_utf8(text):
                refused[place] = Refusal("invalid_utf8", repr(text[:50]))
    results: list[Parsed] = []
    if refused:
        places = sorted(refused)
        results.append(Parsed(rows[places], refused=dict(enumerate(refused[place] for place in places))))
        keep = np.ones(len(rows), bool)
        keep[places] = False
        lines, rows = lines.filter(pa.array(keep)), rows[keep]
    texts = lines.cast(pa.string())
    own: list[Any] = [each for each in settings.formats if not each.is_json]
    for text_format in (*own, *_TEXT_FORMATS):
        if not len(texts):
            return results
        hinted = text_format.looks_like(texts).to_numpy(zero_copy_only=False)
        if not hinted.any():
            continue
        candidates = texts if hinted.all() else texts.filter(pa.array(hinted))
        parsed, taken = text_format.parse(candidates, rows[hinted])
        if len(parsed.line):
            results.append(parsed)
        keep = ~hinted
        keep[np.flatnonzero(hinted)[~taken]] = True
        texts, rows = texts.filter(pa.array(keep)), rows[keep]
    header = pc.match_substring_regex(texts, _HEADER).to_numpy(zero_copy_only=False)
    if header.any():
        texts, rows = texts.filter(pa.array(~header)), rows[~header]
    return [*results, *_refuse_rest(texts, rows)]


def _refuse_rest(texts: pa.Array, rows: NDArray[Any]) -> list[Parsed]:
    if not len(texts):
        return []
    not_access = is_not_access(texts).to_numpy(zero_copy_only=False)
    control = pc.match_substring_regex(texts, _CONTROL).to_numpy(zero_copy_only=False)
    dead = Parsed(rows)
    for place, text in enumerate(texts.to_pylist()):
        if not text.strip():
            dead.refused[place] = Refusal("empty", "an empty line")
        elif not_access[place]:
            dead.refused[place] = Refusal("not_access", "a line of a server's error log")
        elif control[place]:
            dead.refused[place] = Refusal("control_characters", repr(text[:50]))
        elif text.lstrip()[0] in "[{":
            dead.refused[place] = Refusal("invalid_json", repr(text[:50]))
        else:
            dead.refused[place] = Refusal("unknown_format", repr(text[:50]))
    return [dead]
