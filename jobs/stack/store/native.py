"""Native blocks as clients of a newer protocol revision expect them (`client_protocol_version`, used by clickhouse-go).

chDB writes revision 0: no block info, no serialisation byte per column. Clients that ask for a revision get both added, which
needs the length of each column's data: types are walked here. Cost: one step per string cell, so this is for what dashboards
read, not for bulk.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from jobs.stack.store.faults import NOT_IMPLEMENTED, StoreFault

__all__ = ["FIRST_REVISION", "reframe"]

FIRST_REVISION = 54454
"""First revision with a serialisation byte per column; older clients (clickhouse-connect) read revision 0 as well."""

# is_overflows = 0, bucket_num = -1, end.
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"

_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "DateTime", "Date32", "IPv4", "Decimal32", "Time"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Decimal64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("UInt256", "Int256", "Decimal256"), 32),
}
_TYPE = re.compile(r"^\s*([A-Za-z0-9]+)\s*(?:\((.*)\))?\s*$", re.DOTALL)
_NAMED = re.compile(r"^(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])")


def reframe(data: bytes) -> Iterator[bytes]:
    """Each block with block info and serialisation bytes added.

    Raises
    ------
    StoreFault
        A column's type cannot be walked (JSON, Dynamic, Variant, aggregate states).
    """
    at = 0
    while at < len(data):
        column_count, at = _varint(data, at)
        row_count, at = _varint(data, at)
        parts = [_BLOCK_INFO, _put_varint(column_count), _put_varint(row_count)]
        for _ in range(column_count):
            start = at
            size, at = _varint(data, at)
            at += size
            size, at = _varint(data, at)
            type_name = data[at : at + size].decode()
            at += size
            head_end = at
            if row_count:
                # Versions of dictionaries, 8 bytes each, come before all other data of a column.
                at = _skip(data, at + 8 * type_name.count("LowCardinality("), type_name, row_count)
            parts += (data[start:head_end], b"\x00", data[head_end:at])
        yield b"".join(parts)


def _skip(data: bytes, at: int, type_name: str, rows: int) -> int:
    """Where the data of `rows` cells of a type ends."""
    match = _TYPE.match(type_name)
    name, inner = (match.group(1), match.group(2) or "") if match else (type_name, "")
    if name == "String":
        for _ in range(rows):
            size, at = _varint(data, at)
            at += size
        return at
    if name in _WIDTHS:
        return at + _WIDTHS[name] * rows
    if name.startswith("Interval"):
        return at + 8 * rows
    if name == "FixedString":
        return at + int(inner) * rows
    if name == "Decimal":
        precision = int(inner.split(",")[0])
        return at + rows * (4 if precision <= 9 else 8 if precision <= 18 else 16 if precision <= 38 else 32)
    if name == "Nullable":
        return _skip(data, at + rows, inner, rows)
    if name == "LowCardinality":
        return _skip_dictionary(data, at, inner)
    if name in ("Array", "Map", "Nested"):
        nested = int(struct.unpack_from("<Q", data, at + 8 * (rows - 1))[0])
        at += 8 * rows
        for part in _arguments(inner):
            at = _skip(data, at, part, nested) if nested else at
        return at
    if name == "Tuple":
        for part in _arguments(inner):
            at = _skip(data, at, part, rows)
        return at if inner.strip() else at + rows
    if name == "SimpleAggregateFunction":
        return _skip(data, at, _arguments(inner)[1], rows)
    raise StoreFault.of(NOT_IMPLEMENTED, f"The embedded store cannot send {type_name} in this protocol revision")


def _skip_dictionary(data: bytes, at: int, inner: str) -> int:
    """Flags (the lowest byte says how wide indexes are), keys, indexes."""
    flags: int
    key_count: int
    flags, key_count = struct.unpack_from("<QQ", data, at)
    at = _skip(data, at + 16, inner.removeprefix("Nullable(").removesuffix(")") if inner.startswith("Nullable(") else inner, key_count)
    (index_count,) = struct.unpack_from("<Q", data, at)
    width = 1 << (flags & 0xFF)
    return at + 8 + int(index_count) * width


def _arguments(inner: str) -> list[str]:
    """The types between the brackets, without element names."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(inner):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(inner[start:position])
            start = position + 1
    parts.append(inner[start:])
    return [_NAMED.sub("", part.strip()) for part in parts if part.strip()]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _put_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
