"""Lines of text: which format each is of, by its first bytes, then by the formats' own patterns; envelopes are opened first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats import (
    apigateway_text,
    aws_alb,
    cloudfront,
    common_log,
    envoy_text,
    haproxy,
    iis,
    logfmt,
    nginx_proxy_manager,
    npmplus,
    openstack_api,
    server_text,
    zoraxy,
)
from udfs.formats.not_access import is_not_access
from udfs.formats.parsed import Parsed, Refusal
from udfs.formats.text_envelopes import Wrapped, read_cri, read_syslog, read_tagged
from udfs.formats.w3c import field_names, parse_fields
from udfs.normalise.settings import NormaliseSettings
from udfs.normalise.shapes import Shape, read_shapes

__all__ = ["open_wrapped", "read_texts"]


class TextFormat(Protocol):
    """What a module of a text format offers."""

    def looks_like(self, lines: pa.Array, /) -> pa.Array:
        """Whether a line may be of the format: one cheap scan."""

    def parse(self, lines: pa.Array, index: NDArray[Any], /) -> tuple[Parsed, NDArray[Any]]:
        """Events of lines, and which of them were of the format."""


class _Native(NamedTuple):
    looks_like: Callable[[pa.Array], pa.Array]
    parse: Callable[[pa.Array, NDArray[Any]], tuple[Parsed, NDArray[Any]]]


Inner = Callable[[pa.Array, NormaliseSettings, int, NDArray[Any]], list[Parsed]]
"""Lines, settings, envelopes that may still be opened, and the record of each line -> results."""

_IIS_NATIVE = _Native(iis.looks_native, iis.parse_native)
_BY_SHAPE: dict[int, tuple[Any, ...]] = {
    Shape.OTHER: (envoy_text, common_log, haproxy, aws_alb, _IIS_NATIVE, server_text, apigateway_text, openstack_api, logfmt),
    Shape.ISO_TIME: (logfmt,),
    Shape.ISO_BLANK: (iis, openstack_api, logfmt),
    Shape.ISO_TAB: (cloudfront,),
    Shape.SLASHED: (zoraxy,),
    Shape.BRACKET: (envoy_text, nginx_proxy_manager, npmplus, zoraxy, server_text, common_log),
    Shape.ANGLE: (apigateway_text,),
    Shape.HASH: (),
    Shape.MONTH: (logfmt,),
    Shape.EPOCH: (cloudfront,),
}
"""In the order in which they are tried. Formats of one shape exclude each other by their patterns."""

_HEADER = r"^#(?:Version|Fields|Software|Date|Start-Date|End-Date|Remark): ?"
_FIELDS = r"(?i)^#Fields:"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_ARRAY = r"^\s*\[\s*(?:[{\[\"\]]|-?\d+(?:\.\d+)?\s*[,\]]|(?:true|false|null)\b|$)"
_MOST_HEADERS = 8
_LOG_REASONS = frozenset({"unknown_format", "empty"})
_CLOSED_REASONS = frozenset({"unknown_format", "empty", "not_access", "control_characters", "invalid_json", "too_long", "invalid_utf8"})


def read_texts(
    texts: pa.Array, rows: NDArray[Any], settings: NormaliseSettings, record: NDArray[Any], inner: Inner, depth: int
) -> list[Parsed]:
    """Parse lines of text.

    Parameters
    ----------
    texts : string[n], not null
    rows : int64[n], input line of each
    record : int64[lines], record of each input line: a W3C header holds for the lines of its record behind it
    inner : reads the lines found within envelopes
    depth : how many envelopes may still be opened

    Cost: 0.2 us a line to tell formats apart; the formats' own cost besides.
    """
    work = _Work(texts, rows)
    for own in settings.formats:
        if not own.is_json:
            work.offer(own, np.arange(len(work.rows)))
    shapes = read_shapes(work.texts)
    _read_headed(work, shapes, record[work.rows], settings)
    shapes = read_shapes(work.texts) if len(work.rows) < len(shapes) else shapes
    iso = np.flatnonzero(shapes == Shape.ISO_TIME)
    if len(iso):  # a Classic balancer's line starts like an envelope
        work.offer(aws_alb, iso)
        shapes = read_shapes(work.texts) if len(work.rows) < len(shapes) else shapes
    if depth:
        _open_envelopes(work, shapes, settings, record, inner, depth)
        shapes = read_shapes(work.texts) if len(work.rows) < len(shapes) else shapes
    # What each format leaves is offered to the next ones of the shape.
    left: list[NDArray[Any]] = []
    whole = work.texts
    for shape in np.unique(shapes).tolist():
        places = np.flatnonzero(shapes == shape)
        part = _Work(whole if len(places) == len(shapes) else whole.take(pa.array(places)), work.rows[places])
        for text_format in _BY_SHAPE[shape]:
            part.offer(text_format, np.arange(len(part.rows)))
        work.results += part.results
        left.append(part.rows)
    rest = np.sort(np.concatenate(left)) if left else np.zeros(0, np.int64)
    if not len(rest):
        return work.results
    chosen = texts.take(pa.array(np.searchsorted(rows, rest)))
    header = pc.match_substring_regex(chosen, _HEADER).to_numpy(zero_copy_only=False)
    if header.any():
        chosen, rest = chosen.filter(pa.array(~header)), rest[~header]
    tagged = _read_tagged(chosen, rest, settings, record, inner, depth) if depth and len(rest) else None
    if tagged is not None:
        results, odd = tagged
        return [*work.results, *results, *_refuse_rest(chosen.take(pa.array(odd)), rest[odd])]
    return [*work.results, *_refuse_rest(chosen, rest)]


def _read_tagged(
    texts: pa.Array, rows: NDArray[Any], settings: NormaliseSettings, record: NDArray[Any], inner: Inner, depth: int
) -> tuple[list[Parsed], NDArray[Any]] | None:
    """Access lines behind a bare program tag, and the places that are left; None where there is no tag at all."""
    wrapped = read_tagged(texts)
    if not len(wrapped.rows):
        return None
    closed: list[NDArray[Any]] = []
    tagged = rows[wrapped.rows]
    results = open_wrapped(wrapped, tagged, settings, _in_records(inner, record[tagged]), depth, closed)
    left = np.ones(len(rows), bool)
    left[wrapped.rows] = False
    for places in closed:
        left[wrapped.rows[places]] = True
    return results, np.flatnonzero(left)


class _Work:
    """Lines that no format has taken yet, and the results of those that were."""

    def __init__(self, texts: pa.Array, rows: NDArray[Any]) -> None:
        self.texts = texts
        self.rows = rows
        self.results: list[Parsed] = []

    def offer(self, text_format: TextFormat, places: NDArray[Any]) -> None:
        """Let a format take what is its own of the lines at some places."""
        if not len(places):
            return
        offered = self.texts if len(places) == len(self.rows) else self.texts.take(pa.array(places))
        hinted = np.flatnonzero(text_format.looks_like(offered).to_numpy(zero_copy_only=False))
        if not len(hinted):
            return
        candidates = offered if len(hinted) == len(offered) else offered.take(pa.array(hinted))
        chosen = places[hinted]
        parsed, taken = text_format.parse(candidates, self.rows[chosen])
        self.done([parsed], chosen[taken])

    def done(self, results: list[Parsed], places: NDArray[Any]) -> None:
        """Keep results and drop the lines at the places they came from."""
        self.results += [result for result in results if len(result.line)]
        if len(places) == len(self.rows):
            self.texts, self.rows = self.texts.slice(0, 0), self.rows[:0]
        elif len(places):
            keep = np.ones(len(self.rows), bool)
            keep[places] = False
            self.texts, self.rows = self.texts.filter(pa.array(keep)), self.rows[keep]


def _read_headed(work: _Work, shapes: NDArray[Any], record: NDArray[Any], settings: NormaliseSettings) -> None:
    """Rows under a W3C header of their record, or of the settings. The last header before a row that fits it counts."""
    headers = np.flatnonzero(shapes == Shape.HASH)
    if len(headers):
        headers = headers[pc.match_substring_regex(work.texts.take(pa.array(headers)), _FIELDS).to_numpy(zero_copy_only=False)]
    given = field_names(settings.w3c_fields)
    if not len(headers) and not given:
        return
    names = [field_names(text) for text in work.texts.take(pa.array(headers)).to_pylist()]
    rows = np.flatnonzero(shapes != Shape.HASH)
    last = np.searchsorted(headers, rows) - 1
    open_rows = np.ones(len(rows), bool)
    results: list[Parsed] = []
    for back in range(min(_MOST_HEADERS, len(headers))):
        header = last - back
        under = open_rows & (header >= 0)
        under[under] = record[headers[header[under]]] == record[rows[under]]
        for place in np.unique(header[under]).tolist():
            _try_header(work, results, rows, open_rows, under & (header == place), names[place])
    if given:
        _try_header(work, results, rows, open_rows, open_rows.copy(), given)
    work.done(results, rows[~open_rows])


def _try_header(
    work: _Work, results: list[Parsed], rows: NDArray[Any], open_rows: NDArray[Any], under: NDArray[Any], names: tuple[str, ...]
) -> None:
    places = np.flatnonzero(under)
    if len(places) and names:
        parsed, fit = parse_fields(work.texts.take(pa.array(rows[places])), work.rows[rows[places]], names)
        open_rows[places[fit]] = False
        results.append(parsed)


def _open_envelopes(work: _Work, shapes: NDArray[Any], settings: NormaliseSettings, record: NDArray[Any], inner: Inner, depth: int) -> None:
    iso = np.flatnonzero(shapes == Shape.ISO_TIME)
    opened: list[tuple[Wrapped, NDArray[Any]]] = []
    if len(iso):
        wrapped = read_cri(work.texts.take(pa.array(iso)))
        opened.append((wrapped, iso[wrapped.rows]))
        iso = np.delete(iso, wrapped.rows)
    logs = np.sort(np.concatenate([iso, np.flatnonzero((shapes == Shape.ANGLE) | (shapes == Shape.MONTH))]))
    if len(logs):
        opened += [(wrapped, logs[wrapped.rows]) for wrapped in read_syslog(work.texts.take(pa.array(logs)))]
    results: list[Parsed] = []
    places: list[NDArray[Any]] = []
    for wrapped, at in opened:
        if len(at):
            results += open_wrapped(wrapped, work.rows[at], settings, _in_records(inner, record[work.rows[at]]), depth)
            places.append(at)
    if places:
        work.done(results, np.concatenate(places))


def _in_records(inner: Inner, record: NDArray[Any]) -> Inner:
    """Read lines within envelopes as lines of the envelopes' records: no header holds beyond its own."""
    return lambda lines, settings, depth, _: inner(lines, settings, depth, record)


def open_wrapped(
    wrapped: Wrapped, rows: NDArray[Any], settings: NormaliseSettings, inner: Inner, depth: int, closed: list[NDArray[Any]] | None = None
) -> list[Parsed]:
    """Events of lines within envelopes; what is of no known format becomes a log record with what the envelope tells.

    Parameters
    ----------
    rows : int64[m], input line of each envelope
    closed : gets the places of envelopes whose line is of no known format, instead of their becoming log records here
    """
    results = inner(wrapped.lines.cast(pa.large_binary()), settings, depth - 1, np.arange(len(rows)))
    found: list[Parsed] = []
    for result in results:
        reasons = _LOG_REASONS if closed is None else _CLOSED_REASONS
        logs = [row for row, refusal in result.refused.items() if refusal.reason in reasons and refusal.original is None]
        if logs and closed is not None:
            closed.append(result.line[np.array(logs)])
            result = _without(result, np.array(logs))
        elif logs:
            found.append(_log_records(wrapped, result, np.array(logs), rows))
            result = _without(result, np.array(logs))
        if len(result.line):
            _fill(wrapped, result)
            result.line = rows[result.line]
            found.append(result)
    return found


def _log_records(wrapped: Wrapped, result: Parsed, places: NDArray[Any], rows: NDArray[Any]) -> Parsed:
    inner_rows = result.line[places]
    logs = Parsed(inner_rows)
    n = len(places)
    logs.columns["body"] = wrapped.lines.take(pa.array(inner_rows))
    logs.columns["kind"] = pa.repeat(pa.scalar("log"), n)
    logs.columns["format"] = pa.repeat(pa.scalar(wrapped.name), n)
    _fill(wrapped, logs)
    logs.refuse(wrapped.partial[inner_rows], "partial_line", logs.columns["body"])
    logs.line = rows[inner_rows]
    return logs


def _without(result: Parsed, places: NDArray[Any]) -> Parsed:
    """A result without some of its (refused) rows."""
    keep = np.ones(len(result.line), bool)
    keep[places] = False
    number = np.cumsum(keep) - 1
    kept = Parsed(result.line[keep], position=result.position[keep] if result.position is not None else None)
    kept.columns = {name: array.filter(pa.array(keep)) for name, array in result.columns.items()}
    kept.refused = {int(number[row]): refusal for row, refusal in result.refused.items() if keep[row]}
    return kept


def _fill(wrapped: Wrapped, result: Parsed) -> None:
    """What a line does not tell itself is taken from its envelope."""
    if result.metric_columns is not None or (not result.columns and result.refused):
        return
    for name, array in wrapped.columns.items():
        if name == "severity_text" and "body" not in result.columns:
            continue
        own = result.columns.get(name)
        if own is None or own.null_count:
            told = array.take(pa.array(result.line))
            result.columns[name] = told if own is None else pc.coalesce(own, told.cast(own.type))


def _refuse_rest(texts: pa.Array, rows: NDArray[Any]) -> list[Parsed]:
    if not len(texts):
        return []
    not_access = is_not_access(texts).to_numpy(zero_copy_only=False)
    control = pc.match_substring_regex(texts, _CONTROL).to_numpy(zero_copy_only=False)
    starts_json = pc.match_substring_regex(texts, _ARRAY).to_numpy(zero_copy_only=False)
    dead = Parsed(rows)
    for place, text in enumerate(texts.to_pylist()):
        if not text.strip():
            dead.refused[place] = Refusal("empty", "an empty line")
        elif not_access[place]:
            dead.refused[place] = Refusal("not_access", "a line of a server's error log")
        elif control[place]:
            dead.refused[place] = Refusal("control_characters", repr(text[:50]))
        elif text.lstrip()[0] == "{" or starts_json[place]:
            dead.refused[place] = Refusal("invalid_json", repr(text[:50]))
        else:
            dead.refused[place] = Refusal("unknown_format", repr(text[:50]))
    return [dead]
