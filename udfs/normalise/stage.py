"""The stage normalise: Kafka records of any supported format become events, metric points and dead letters.

It is a function of each record alone: how records are batched or ordered changes nothing. `line_index` numbers what came out of one
record: a line takes one number, an OTLP export one for each of its spans, log records and data points.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.change import CHANGE
from schemas.event import DEAD_LETTER, EVENT, METRIC_POINT
from udfs.formats.parsed import Parsed
from udfs.hashing import hash_columns, hex_ids
from udfs.normalise.enrich import enrich
from udfs.normalise.identity import drop_identities, read_headers, transaction_identity
from udfs.normalise.log_templates import fill_templates
from udfs.normalise.messages import Messages, find_messages
from udfs.normalise.redact import redact_texts
from udfs.normalise.settings import NormaliseSettings
from udfs.normalise.split import Lines, holds_any, split_lines
from udfs.normalise.topics import read_by_topic

__all__ = ["NormaliseOut", "NormaliseSettings", "normalise"]

STAGE = "normalise"

_NEVER_NULL = (
    "kind",
    "environment",
    "service_name",
    "request_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "http_route",
    "error_category",
    "span_kind",
    "format",
)
_ARRIVED = DEAD_LETTER.arrow.field("arrived_at").type


class NormaliseOut(NamedTuple):
    """What came of a batch of records."""

    events: pa.Table
    metric_points: pa.Table
    dead_letters: pa.Table
    changes: pa.Table


def normalise(raw: pa.Table, settings: NormaliseSettings | None = None) -> NormaliseOut:
    """Read every line of every record.

    Parameters
    ----------
    raw : table of `schemas.event.RAW`
    settings : defaults if None

    Returns
    -------
    Tables of EVENT, METRIC_POINT, DEAD_LETTER and CHANGE. Each line that is not OTLP, blank record or W3C header gives exactly one row
    in one of them. Rows are in the order of the input. `is_duplicate` and `is_late` are False: later stages judge them.

    Cost: about 2.5 us a JSON line in batches of 10,000.
    """
    with _collector_paused():
        return _normalise(raw, settings or NormaliseSettings())


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: it would walk hundreds of thousands of parsed values that hold no cycles (a third of the cost)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _normalise(raw: pa.Table, settings: NormaliseSettings) -> NormaliseOut:
    values = raw["value"].combine_chunks()
    values = values if isinstance(values, pa.Array) else pa.array([], pa.binary())
    messages = find_messages(values)
    lines = split_lines(values, messages.records)
    source = _Source(raw, lines)
    results = _read(lines, raw["topic"], messages, settings)
    source.number(results)
    events, points, dead, changes = [], [], [], []
    for result in results:
        _refuse_endless(result)
        if result.refused:
            dead.append(_dead_letters(result, lines, source, settings))
        if result.metric_columns is not None:
            points.append(_metric_points(result, source))
        elif result.change_columns is not None:
            changes.append(_changes(result, source, settings))
        elif len(result.refused) < len(result.line):
            events.append(_events(result, source, settings))
    return NormaliseOut(
        _in_order(events, EVENT.arrow, source),
        _in_order(points, METRIC_POINT.arrow, source),
        _in_order(dead, DEAD_LETTER.arrow, source),
        _in_order(changes, CHANGE.arrow, source),
    )


def _read(lines: Lines, topics: pa.ChunkedArray, messages: Messages, settings: NormaliseSettings) -> list[Parsed]:
    if not len(messages.records):
        return read_by_topic(lines.text, lines.record, topics, settings)
    is_message = np.isin(lines.record, messages.records)
    texts = np.flatnonzero(~is_message)
    results = read_by_topic(lines.text.take(pa.array(texts)), lines.record[texts], topics, settings) if len(texts) else []
    for result in results:
        result.line = texts[result.line]
    return [*results, *messages.read(np.flatnonzero(is_message))]


class _Source:
    """Where lines come from: topic, partition, offset, arrival of their records, and their numbers within them."""

    def __init__(self, raw: pa.Table, lines: Lines) -> None:
        self.raw = raw.select(["topic", "partition", "offset", "arrival_ms"]).combine_chunks()
        self.record = lines.record
        self.is_identity = len(lines.record) == raw.num_rows and (len(lines.record) == 0 or bool((np.diff(lines.record) == 1).all()))
        self.first = np.zeros(len(lines.record), np.int64)
        self.order: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def number(self, results: list[Parsed]) -> None:
        """Give each line its first number within its record."""
        n = len(self.record)
        width = np.ones(n, np.int64)
        for result in results:
            if result.position is not None and len(result.line):
                np.maximum.at(width, result.line, result.position + 1)
        ends = np.cumsum(width)
        before = ends - width
        if n:
            is_first = np.r_[True, self.record[1:] != self.record[:-1]]
            start_of_record = np.maximum.accumulate(np.where(is_first, np.arange(n), 0))
            self.first = before - before[start_of_record]

    def columns(self, line: NDArray[Any], position: NDArray[Any] | None) -> dict[str, pa.Array]:
        """Source columns of rows, by line and position within it."""
        index = self.first[line]
        if position is not None:
            index = index + position
        every = len(line) == len(self.record) and self.is_identity and bool((line == np.arange(len(line))).all())
        table = self.raw if every else self.raw.take(pa.array(self.record[line]))
        columns = {name: _chunk(table[name]) for name in ("topic", "partition", "offset")}
        columns["line_index"] = pa.array(index.astype(np.int32))
        columns["arrived_at"] = _chunk(table["arrival_ms"]).cast(_ARRIVED)
        return columns


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    )


class _Part(NamedTuple):
    """Rows of one result with their place in the input."""

    table: pa.Table
    line: NDArray[Any]
    position: NDArray[Any]


def _part(table: pa.Table, result: Parsed, keep: NDArray[Any] | None) -> _Part:
    position = result.position if result.position is not None else np.zeros(len(result.line), np.int64)
    if keep is None:
        return _Part(table, result.line, position)
    return _Part(table.filter(pa.array(keep)), result.line[keep], position[keep])


def _in_order(parts: list[_Part], schema: pa.Schema, source: _Source) -> pa.Table:
    """One table, rows in the order of the input."""
    if not parts:
        return schema.empty_table()
    table = pa.concat_tables([part.table for part in parts]).combine_chunks() if len(parts) > 1 else parts[0].table
    line = np.concatenate([part.line for part in parts])
    position = np.concatenate([part.position for part in parts])
    if len(line) > 1 and not (np.diff(line) > 0).all():
        order = np.lexsort((position, line))
        if (np.diff(order) != 1).any():
            table = table.take(pa.array(order))
    return table


def _kept(result: Parsed) -> NDArray[Any] | None:
    if not result.refused:
        return None
    keep = np.ones(len(result.line), bool)
    keep[np.fromiter(result.refused, np.int64, len(result.refused))] = False
    return keep


def _events(result: Parsed, source: _Source, settings: NormaliseSettings) -> _Part:
    result = _without_refused(result)
    n = len(result.line)
    columns = result.columns
    columns.update(source.columns(result.line, result.position))
    _fill_time(columns, n)
    enrich(columns, n, settings.context, settings.redact)
    fill_templates(columns)
    if "span_kind" in columns:
        columns["span_kind"] = pc.replace_substring_regex(pc.utf8_lower(columns["span_kind"]), "^span_kind_", "")
    read_headers(columns)
    for name in ("trace_id", "span_id", "parent_span_id"):
        if name in columns:
            columns[name] = _lower_hex(columns[name])
    no_text = pa.repeat(pa.scalar(""), n)
    for name in _NEVER_NULL:
        columns[name] = pc.fill_null(columns[name], "") if name in columns else no_text
    never = pa.repeat(pa.scalar(False), n)
    columns["is_duplicate"] = columns["is_late"] = never
    if settings.joins_by:
        drop_identities(columns, settings.joins_by)
    identity = pa.table({name: columns[name] for name in ("request_id", "trace_id", "kind", "topic", "partition", "offset", "line_index")})
    columns["transaction_id"], columns["transaction_hash"] = transaction_identity(identity)
    arrays = [_cast(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in EVENT.arrow]
    return _part(pa.Table.from_arrays(arrays, schema=EVENT.arrow), result, None)


def _without_refused(result: Parsed) -> Parsed:
    """The rows that are events: dropped while there are but the columns that were read."""
    keep = _kept(result)
    if keep is None:
        return result
    mask = pa.array(keep)
    position = None if result.position is None else result.position[keep]
    return Parsed(result.line[keep], {name: column.filter(mask) for name, column in result.columns.items()}, position=position)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return array if array.type.equals(kind) else array.cast(kind)


def _lower_hex(ids: pa.Array) -> pa.Array:
    """Ids of hex digits in lower case; others (an ALB's 'Root=...') keep theirs."""
    if not holds_any(ids, b"ABCDEF"):
        return ids
    is_hex = pc.match_substring_regex(ids, "^[0-9a-fA-F]+$")
    return pc.if_else(is_hex, pc.ascii_lower(ids), ids)


def _refuse_endless(result: Parsed) -> None:
    """No duration is infinite or no number: 1e308 s are more than a double of milliseconds can hold."""
    durations = result.columns.get("duration_ms")
    if durations is not None and pc.any(pc.invert(pc.is_finite(durations))).as_py():
        result.refuse(~pc.is_finite(durations).fill_null(True).to_numpy(zero_copy_only=False), "invalid_duration", durations)


def _fill_time(columns: dict[str, pa.Array], n: int) -> None:
    """A line that tells no time happened when it arrived, as far as anyone knows."""
    arrived = columns["arrived_at"]
    kind = EVENT.arrow.field("timestamp").type
    if "timestamp" not in columns:
        columns["timestamp"] = arrived.cast(kind)
    elif columns["timestamp"].null_count:
        columns["timestamp"] = pc.coalesce(columns["timestamp"], arrived.cast(kind))


def _metric_points(result: Parsed, source: _Source) -> _Part:
    columns = dict(result.metric_columns or {})
    columns.update(source.columns(result.line, result.position))
    hashes = hash_columns([columns["environment"], columns["entity_kind"], columns["entity"]])
    columns["entity_hash"] = pa.array(hashes, pa.uint64())
    n = len(result.line)
    if "is_cumulative" not in columns:
        columns["is_cumulative"] = pa.repeat(pa.scalar(False), n)
    arrays = [_cast(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in METRIC_POINT.arrow]
    table = pa.Table.from_arrays(arrays, schema=METRIC_POINT.arrow)
    return _part(table, result, _kept(result))


_CHANGE_IDENTITY = ("time", "environment", "service_name", "change_kind", "status", "version", "previous_version", "title", "source")


def _changes(result: Parsed, source: _Source, settings: NormaliseSettings) -> _Part:
    columns = dict(result.change_columns or {})
    columns.update(source.columns(result.line, result.position))
    columns["time"] = pc.coalesce(columns["time"], columns["arrived_at"].cast(columns["time"].type))
    identity = [columns[name].cast(pa.string()) for name in _CHANGE_IDENTITY]
    columns["change_id"] = hex_ids(hash_columns(identity), hash_columns(identity, seed=1))
    if settings.redact:
        for name in ("author", "title", "url"):
            columns[name] = redact_texts(columns[name])
    arrays = [_cast(columns[f.name], f.type) for f in CHANGE.arrow]
    return _part(pa.Table.from_arrays(arrays, schema=CHANGE.arrow), result, _kept(result))


def _dead_letters(result: Parsed, lines: Lines, source: _Source, settings: NormaliseSettings) -> _Part:
    """Dead letters keep the original bytes, unless told otherwise: nothing else can be mended and read again as it was."""
    rows = np.array(sorted(result.refused), np.int64)
    refusals = [result.refused[int(row)] for row in rows]
    line = result.line[rows]
    position = result.position[rows] if result.position is not None else None
    columns = source.columns(line, position)
    whole = lines.text.take(pa.array(line)).cast(pa.binary())
    own = pa.array([refusal.original for refusal in refusals], pa.binary())
    original = pc.coalesce(own, whole)
    detail = pa.array([refusal.detail for refusal in refusals], pa.string())
    if settings.redact:
        detail = redact_texts(detail, settings.context.redaction)
        if settings.context.redact_dead_letters:
            original = _redact_bytes(original, settings)
    n = len(rows)
    columns.update(
        stage=pa.repeat(pa.scalar(STAGE), n),
        reason=pa.array([refusal.reason for refusal in refusals], pa.string()),
        detail=detail,
        original=original,
        job_version=pa.repeat(pa.scalar(settings.job_version), n),
    )
    table = pa.Table.from_arrays([_cast(columns[f.name], f.type) for f in DEAD_LETTER.arrow], schema=DEAD_LETTER.arrow)
    refused = Parsed(line, position=position)
    return _part(table, refused, None)


def _redact_bytes(originals: pa.Array, settings: NormaliseSettings) -> pa.Array:
    """Originals with secrets masked; what is no text is left out, for it cannot be searched."""
    texts = [original.decode(errors="replace") for original in originals.to_pylist()]
    return redact_texts(pa.array(texts, pa.large_string()), settings.context.redaction).cast(pa.large_binary()).cast(originals.type)
