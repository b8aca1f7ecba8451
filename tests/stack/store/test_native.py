"""Native blocks for newer clients: the same columns, with block info and a serialisation byte each."""

from __future__ import annotations

import struct

import pytest

from jobs.stack.store.faults import StoreFault
from jobs.stack.store.native import reframe

_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"


def _column(name: str, type_name: str, data: bytes) -> tuple[bytes, bytes]:
    head = bytes([len(name)]) + name.encode() + bytes([len(type_name)]) + type_name.encode()
    return head, data


_U64 = struct.Struct("<Q").pack
# Two rows of each: the data as ClickHouse writes it.
_COLUMNS = [
    _column("a", "UInt8", b"\x01\x02"),
    _column("b", "String", b"\x01x\x00"),
    _column("c", "Nullable(Float64)", b"\x00\x01" + b"\x00" * 16),
    _column("d", "Array(String)", _U64(1) + _U64(3) + b"\x01x\x02yy\x00"),
    _column("e", "LowCardinality(String)", _U64(1) + _U64(0x600) + _U64(2) + b"\x00\x01x" + _U64(2) + b"\x01\x01"),
    _column("f", "DateTime64(6, 'UTC')", b"\x00" * 16),
    _column("g", "Map(String, UInt8)", _U64(1) + _U64(1) + b"\x01k" + b"\x07"),
    _column("h", "Tuple(x UInt16, `y z` FixedString(3))", b"\x00" * 4 + b"abcdef"),
    _column("i", "Decimal(18, 3)", b"\x00" * 16),
    _column("j", "Enum8('a' = 1, 'b,(' = 2)", b"\x01\x02"),
]


def test_each_column_gets_its_serialisation_byte_and_each_block_its_info() -> None:
    block = bytes([len(_COLUMNS), 2]) + b"".join(head + data for head, data in _COLUMNS)
    expected = _INFO + bytes([len(_COLUMNS), 2]) + b"".join(head + b"\x00" + data for head, data in _COLUMNS)
    assert list(reframe(block + block)) == [expected, expected]


def test_empty_block_keeps_its_columns() -> None:
    heads = [head for head, _ in _COLUMNS]
    block = bytes([len(heads), 0]) + b"".join(heads)
    assert list(reframe(block)) == [_INFO + bytes([len(heads), 0]) + b"".join(head + b"\x00" for head in heads)]


def test_a_type_that_cannot_be_walked_is_told() -> None:
    head, _ = _column("j", "Dynamic", b"")
    with pytest.raises(StoreFault, match="cannot send Dynamic"):
        list(reframe(b"\x01\x01" + head + b"\x00"))
