"""Which format each line is of: by its first bytes, then by the formats' own patterns."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.cloudwatch import is_subscription, read_subscriptions
from udfs.formats.envelope import is_envelope, read_envelopes
from udfs.formats.json_lines import load_lines, read_json_lines, read_objects
from udfs.formats.otlp import is_export, read_exports
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.shipped import is_shipped, unwrap_shipped, without_line_end
from udfs.formats.user_format import read_user_objects
from udfs.normalise.detect_texts import open_wrapped, read_texts
from udfs.normalise.settings import NormaliseSettings

__all__ = ["read_lines"]

_JSON = rb"^[ \t]*(?:{|\[[ \t]*(?:[{\[\"\]]|-?\d+[,\]]))"
_BYTE_ORDER = "\ufeff".encode()
_NO_LINES = np.zeros(0, np.int64)
_LINES = frozenset({"log", "message", "textPayload"})
_MOST_ENVELOPES = 3


def read_lines(
    lines: pa.Array, settings: NormaliseSettings, record: NDArray[Any] | None = None, depth: int = _MOST_ENVELOPES
) -> list[Parsed]:
    """Parse lines of any format.

    Parameters
    ----------
    lines : large_binary[n] without line ends
    record : int64[n], record of each line: a W3C header holds within its record; None = all are of one
    depth : how many envelopes within each other are opened

    Returns
    -------
    One result per format found, and one of the lines that no format takes. W3C header lines are in none.
    """
    n = len(lines)
    if not n:
        return []
    is_json = pc.starts_with(lines, b"{")
    if not pc.all(is_json).as_py():
        marked = pc.starts_with(lines, _BYTE_ORDER)
        if pc.any(marked).as_py():  # a file of Windows' tools starts with it
            bare = [line[len(_BYTE_ORDER) :] for line in lines.filter(marked).to_pylist()]
            lines = pc.replace_with_mask(lines, marked, pa.array(bare, lines.type))
        # An object or array may be indented; '[' starts lines of text formats much more often.
        is_json = pc.match_substring_regex(lines, _JSON.decode())
    json_rows = np.flatnonzero(is_json.to_numpy(zero_copy_only=False))
    results: list[Parsed] = []
    left: list[NDArray[Any]] = []
    if len(json_rows):
        parsed, not_json = _read_json(lines if len(json_rows) == n else lines.take(pa.array(json_rows)), json_rows, settings, depth)
        results += parsed
        left.append(not_json)
    if len(json_rows) < n:
        left.append(np.flatnonzero(~is_json.to_numpy(zero_copy_only=False)))
    rows = np.sort(np.concatenate(left)) if left else _NO_LINES
    if len(rows):
        if record is None or settings.is_one_stream:
            record = np.zeros(n, np.int64)
        results += _read_texts(lines if len(rows) == n else lines.take(pa.array(rows)), rows, settings, record, depth)
    return results


def _all_utf8(lines: pa.Array) -> bool:
    try:
        lines.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _read_json(lines: pa.Array, rows: NDArray[Any], settings: NormaliseSettings, depth: int) -> tuple[list[Parsed], NDArray[Any]]:
    """Results of JSON lines, and the rows that were no JSON after all but may be lines of a text format ('[...')."""
    texts: list[bytes] = lines.to_numpy(zero_copy_only=False).tolist()  # several times faster than to_pylist
    lengths = pc.binary_length(lines)
    refused: dict[int, Refusal] = {}
    if pc.max(lengths).as_py() > settings.max_json_bytes:
        for place in np.flatnonzero(pc.greater(lengths, settings.max_json_bytes).to_numpy(zero_copy_only=False)).tolist():
            refused[place] = Refusal("too_long", f"{len(texts[place])} bytes, at most {settings.max_json_bytes} are read")
            texts[place] = b"{}"
    results: list[Parsed] = []
    if not any(each.is_json for each in settings.formats):
        results, left = read_json_lines(texts, rows, settings.field_mapping)
        if not left:
            return results, _NO_LINES
        refused = {place: refused[row] for place, row in enumerate(left) if row in refused}
        texts, rows = [texts[row] for row in left], rows[np.array(left, np.int64)]
    values = load_lines(texts)
    kinds = set(map(type, values))
    not_json: list[int] = []
    if kinds != {dict} or refused:
        values, rows, refused_rows, not_json = _sort_out(values, texts, rows, refused)
    else:
        refused_rows = Parsed(_NO_LINES)
    results += [refused_rows] if len(refused_rows.line) else []
    results += _read_values(values, rows, settings, depth)
    return results, np.array(not_json, np.int64)


def _sort_out(
    values: list[Any], texts: list[bytes], rows: NDArray[Any], refused: dict[int, Refusal]
) -> tuple[list[dict[str, Any]], NDArray[Any], Parsed, list[int]]:
    """Objects with their rows; refusals; rows left to the text formats. Touches only the lines that are no objects."""
    odd = [place for place, kind in enumerate(map(type, values)) if kind is not dict or place in refused]
    not_json: list[int] = []
    opened: list[int] = []
    for place in odd:
        value, text = values[place], texts[place]
        if place in refused:
            continue
        if isinstance(value, Refusal):
            if not text.lstrip().startswith(b"{"):
                not_json.append(place)
            else:
                refused[place] = value if _is_utf8(text) else Refusal("invalid_utf8", value.detail)
        elif isinstance(value, list) and is_envelope(records := {"records": value}):
            values[place] = records  # a batch of objects: Zipkin, and collectors that write arrays
            opened.append(place)
        else:
            refused[place] = Refusal("unknown_format", "a JSON value, but no object")
    keep = np.ones(len(values), bool)
    keep[odd] = False
    keep[opened] = True
    places = sorted(refused)
    dead = Parsed(rows[np.array(places, np.int64)], refused=dict(enumerate(refused[place] for place in places)))
    return list(compress(values, keep.tolist())), rows[keep], dead, rows[np.array(not_json, np.int64)].tolist()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_values(values: list[dict[str, Any]], rows: NDArray[Any], settings: NormaliseSettings, depth: int) -> list[Parsed]:
    """A user's own formats, OTLP exports and other objects."""
    own: list[Parsed] = []
    if values and any(each.is_json for each in settings.formats):
        own, values, rows = read_user_objects(settings.formats, values, rows)
    return own + _read_known_values(values, rows, settings, depth)


def _read_known_values(values: list[dict[str, Any]], rows: NDArray[Any], settings: NormaliseSettings, depth: int) -> list[Parsed]:
    if not values:
        return []
    # An export has few keys, an event has many: most batches are ruled out by their lengths.
    shipped = [place for place, value in enumerate(values) if not _LINES.isdisjoint(value) and is_shipped(value)] if depth else []
    if shipped:
        return _read_shipped(values, rows, settings, np.array(shipped), depth)
    packed = [place for place, value in enumerate(values) if "logEvents" in value and is_subscription(value)] if depth else []
    if packed:
        results = read_subscriptions(
            [values[place] for place in packed], rows[packed], lambda lines: _read_inner(lines, settings, depth - 1, np.arange(len(lines)))
        )
        others = np.ones(len(values), bool)
        others[packed] = False
        rest = np.flatnonzero(others).tolist()
        return results + _read_known_values([values[place] for place in rest], rows[others], settings, depth)
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


def _read_shipped(
    values: list[dict[str, Any]], rows: NDArray[Any], settings: NormaliseSettings, shipped: NDArray[Any], depth: int
) -> list[Parsed]:
    """Lines within objects of log shippers; objects whose line is of no known format are read like any others."""
    wrapped = unwrap_shipped([values[place] for place in shipped.tolist()])
    closed: list[NDArray[Any]] = []
    results = open_wrapped(wrapped, rows[shipped], settings, _read_inner, depth, closed)
    for places in closed:
        odd = shipped[places]
        results += _read_known_values([without_line_end(values[place]) for place in odd.tolist()], rows[odd], settings, 0)
    others = np.delete(np.arange(len(values)), shipped)
    return results + _read_known_values([values[place] for place in others.tolist()], rows[others], settings, depth)


def _read_texts(lines: pa.Array, rows: NDArray[Any], settings: NormaliseSettings, record: NDArray[Any], depth: int) -> list[Parsed]:
    """Lines of text; those that are too long or no UTF-8 are refused."""
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
    if len(rows):
        results += read_texts(lines.cast(pa.string()), rows, settings, record, _read_inner, depth)
    return results


def _read_inner(lines: pa.Array, settings: NormaliseSettings, depth: int, record: NDArray[Any]) -> list[Parsed]:
    return read_lines(lines, settings, record, depth)
