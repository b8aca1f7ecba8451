"""The wire format of OTLP/protobuf, as far as it is read without the protobuf library: what a message is, and key-value pairs in bulk.

https://protobuf.dev/programming-guides/encoding/ (tags, varints, lengths), https://github.com/open-telemetry/opentelemetry-proto.
The library makes a Python object of every attribute and its value, which costs more than all the rest; here the pairs of all records are
cut apart at once by array steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from opentelemetry.proto.common.v1 import common_pb2

from udfs.formats.values.protobuf_fields import WireFields, cut_texts, fields_of, varints

__all__ = ["AnyValues", "WireAttributes", "attributes_in", "kind_of_export", "plain_value"]

_SPAN_TAGS = frozenset({0x39, 0x41, 0x30})  # start, end (fixed64), kind (varint)
_LOG_TAGS = frozenset({0x09, 0x59, 0x10, 0x45})  # time, observed time (fixed64), severity (varint), flags (fixed32)
_METRIC_TAGS = frozenset({0x2A, 0x3A, 0x4A, 0x52, 0x5A})  # gauge, sum, histogram, exponential histogram, summary
_STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x10, 0x18, 0x21


def kind_of_export(records: Sequence[bytes]) -> str | None:
    """'resourceSpans', 'resourceLogs' or 'resourceMetrics', by the first of an export's records; None where it is none of them.

    The three requests look the same down to their records, so the tags in a record must tell.

    Cost: below 1 us for spans and log records as encoders write them, some 5 us for others.
    """
    first = next(filter(None, records), b"")
    if first[:1] == b"\x09":
        return "resourceLogs"
    # A trace and a span id in front. A metric's name and description can be as long, but are texts.
    if first[:2] == b"\x0a\x10" and first[18:20] == b"\x12\x08" and not first[2:18].isascii():
        return "resourceSpans"
    return _kind_of_record(first)


def _kind_of_record(record: bytes) -> str | None:
    fields = fields_of(record, 0, len(record))
    if not fields:
        return None
    tags = {tag for tag, _, _ in fields}
    lengths = {tag: stop - begin for tag, begin, stop in fields}
    if tags & _SPAN_TAGS or (lengths.get(0x0A) == 16 and lengths.get(0x12) == 8 and not tags & {0x3A, 0x52, 0x5A}):
        return "resourceSpans"
    if tags & _LOG_TAGS:
        return "resourceLogs"
    if 0x0A in tags:
        return "resourceMetrics" if tags & _METRIC_TAGS or tags <= {0x0A, 0x12, 0x1A} else None
    return "resourceLogs" if tags <= {0x1A, 0x2A, 0x32, 0x4A, 0x52} else None


def plain_value(value: common_pb2.AnyValue) -> Any:
    """The plain value of an AnyValue message, as `otlp_attributes.value_of` gives it for JSON."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if kind == "array_value":
        return [plain_value(item) for item in inner.values]
    if kind == "kvlist_value":
        return {pair.key: plain_value(pair.value) for pair in inner.values}
    if kind == "bytes_value":
        import base64

        return base64.b64encode(inner).decode()
    return inner


class AnyValues:
    """Values of many AnyValue messages that lie in one buffer.

    Parameters
    ----------
    data : uint8[...], followed by at least 16 bytes of anything
    start, end : int64[n], where each message lies

    Cost: about 20 array steps over the n values; texts are copied when they are asked for.
    """

    def __init__(self, data: NDArray[Any], start: NDArray[Any], end: NDArray[Any]) -> None:
        self._data, self._start, self._end = data, start, end
        tag, length = data[start], data[start + 1].astype(np.int64)
        long = length >= 0x80
        length = np.where(long, (length & 0x7F) | (data[start + 2].astype(np.int64) << 7), length)
        inner = start + 2 + long
        self._inner = inner
        self.is_text = (tag == _STRING) & (inner + length == end) & (~long | (data[start + 2] < 0x80)) & (end > start + 1)
        self._tag = np.where(end > start, tag, 0)

    def texts(self) -> pa.Array:
        """Strings, where all are texts; what is no UTF-8 is mended by U+FFFD."""
        return cut_texts(self._data, self._inner, self._end)

    def values(self) -> list[Any]:
        """Plain values of any kind. Cost: by array steps for integers and where all are texts, about 1 us for each other value."""
        if self.is_text.all():
            return self.texts().to_pylist()  # type: ignore[no-any-return]
        integers = np.flatnonzero(self._tag == _INT)
        found: list[Any] = [None] * len(self._tag)
        for place, value in zip(integers.tolist(), varints(self._data, self._start[integers] + 1).tolist(), strict=True):
            found[place] = value
        for row in np.flatnonzero(self._tag != _INT).tolist():
            found[row] = _parsed(self._data[self._start[row] : self._end[row]].tobytes())
        return found


@lru_cache(maxsize=4096)
def _parsed(message: bytes) -> Any:
    try:
        return plain_value(common_pb2.AnyValue.FromString(message))
    except Exception:  # the library's DecodeError has several homes
        return None


class WireAttributes:
    """Attributes of records whose KeyValue messages lie in one buffer.

    Parameters
    ----------
    data : uint8[...], followed by at least 16 bytes of anything
    start, end : int64[m], where each KeyValue message lies, ascending
    owner : int64[m], the record of each
    n : number of records

    Cost: about 0.1 us a pair, and 0.1 us a record per key that is asked for.
    """

    def __init__(self, data: NDArray[Any], start: NDArray[Any], end: NDArray[Any], owner: NDArray[Any], n: int) -> None:
        self._n, self._owner, self._data = n, owner, data
        # 0a <length> key 12 <length> value: what every encoder writes. Lengths of two bytes are those over 127.
        key_end = np.minimum(start + 2 + data[start + 1], end)
        value_length = data[key_end + 1].astype(np.int64)
        long = value_length >= 0x80
        if long.any():
            value_length = np.where(long, (value_length & 0x7F) | (data[key_end + 2].astype(np.int64) << 7), value_length)
        value_start = key_end + 2 + long
        usual = (data[start] == 0x0A) & (data[start + 1] < 0x80) & (data[key_end] == 0x12) & (value_start + value_length == end)
        if long.any():
            usual &= ~long | (data[key_end + 2] < 0x80)
        self._unusual = {} if usual.all() else self._read_unusual(start, end, np.flatnonzero(~usual))
        keys = cut_texts(data, np.where(usual, start + 2, start), np.where(usual, key_end, start)).dictionary_encode()
        self._codes = np.where(usual, keys.indices.to_numpy(zero_copy_only=False), -1).astype(np.int32)
        self._key_code = {key: code for code, key in enumerate(keys.dictionary.to_pylist())}
        self._value_start, self._end = value_start, end

    def _read_unusual(self, start: NDArray[Any], end: NDArray[Any], rows: NDArray[Any]) -> dict[str, list[tuple[int, Any]]]:
        """By key: owner and value of pairs in another order, without value, with long keys or values over 16 KiB."""
        found: dict[str, list[tuple[int, Any]]] = {}
        for row in rows.tolist():
            try:
                pair = common_pb2.KeyValue.FromString(self._data[start[row] : end[row]].tobytes())
            except Exception:  # the library's DecodeError has several homes
                continue
            found.setdefault(pair.key, []).append((int(self._owner[row]), plain_value(pair.value)))
        return found

    @cached_property
    def present(self) -> frozenset[str]:
        """Keys that any record has."""
        return frozenset(self._key_code) | frozenset(self._unusual)

    def column(self, key: str) -> list[Any] | pa.Array:
        """Values of one key, one per record; None where a record has it not. A string array where all are texts."""
        rows = np.flatnonzero(self._codes == self._key_code[key]) if key in self._key_code else np.zeros(0, np.int64)
        owners = self._owner[rows]
        found = AnyValues(self._data, self._value_start[rows], self._end[rows])
        if key not in self._unusual and len(rows) and found.is_text.all():
            place = np.full(self._n, -1)
            place[owners] = np.arange(len(rows))  # of a key that comes twice the last counts
            texts = found.texts()
            if len(rows) == self._n and (place == np.arange(self._n)).all():
                return texts
            return texts.take(pa.array(place, mask=place < 0))
        column: list[Any] = [None] * self._n
        for owner, value in zip(owners.tolist(), found.values(), strict=True):
            column[owner] = value
        for owner, value in self._unusual.get(key, ()):
            column[owner] = value
        return column


def attributes_in(fields: WireFields, tag: int, n: int) -> WireAttributes:
    """Of the repeated field `tag`, which holds KeyValue messages, of n records."""
    found = np.flatnonzero(fields.tag == tag)
    return WireAttributes(fields.data, fields.start[found], fields.end[found], fields.row[found], n)
