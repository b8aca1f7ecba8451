"""Compression on the wire: HTTP content encodings, and ClickHouse's own compressed blocks (`compress=1`, `decompress=1`)."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from jobs.stack.store.faults import BAD_ARGUMENTS, NOT_IMPLEMENTED, StoreFault

__all__ = ["Encoder", "choose_encoding", "compress_blocks", "decode", "decompress_blocks"]

_ARROW_CODECS = {"gzip": "gzip", "zstd": "zstd", "lz4": "lz4", "br": "brotli"}
_PREFERENCE = ("lz4", "zstd", "gzip", "br", "deflate")
_PIECE_BYTES = 4 << 20

# A compressed block: checksum (16 bytes), method, size with these 9 header bytes, size of the data.
_METHOD_LZ4, _METHOD_ZSTD, _METHOD_NONE = 0x82, 0x90, 0x02
_BLOCK_HEADER = struct.Struct("<BII")
_BLOCK_BYTES = 1 << 20
_MAX_BLOCK_BYTES = 1 << 30


def choose_encoding(accepted: str) -> str | None:
    """The encoding to answer with, from an Accept-Encoding header."""
    offered = {part.split(";")[0].strip().lower() for part in accepted.split(",") if not part.replace(" ", "").endswith(";q=0")}
    return next((name for name in _PREFERENCE if name in offered), None)


class _PiecesReader(io.RawIOBase):
    """A file over an iterator of byte pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def decode(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Undo a Content-Encoding.

    Raises
    ------
    StoreFault
        The encoding is unknown or the bytes are not of it.
    """
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding == "deflate":
        inflate = zlib.decompressobj()
        for piece in pieces:
            yield inflate.decompress(piece)
        yield inflate.flush()
        return
    if encoding not in _ARROW_CODECS:
        raise StoreFault.of(NOT_IMPLEMENTED, f"Unknown compression method: {encoding}")
    import pyarrow as pa

    source = io.BufferedReader(_PiecesReader(pieces), _PIECE_BYTES)
    try:
        with pa.CompressedInputStream(pa.PythonFile(source, mode="r"), _ARROW_CODECS[encoding]) as stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreFault.of(BAD_ARGUMENTS, f"Cannot decompress the {encoding} body: {error}") from None


class Encoder:
    """Applies a content encoding piece by piece."""

    def __init__(self, encoding: str) -> None:
        self._deflate = zlib.compressobj(1) if encoding == "deflate" else None
        if self._deflate is None:
            import pyarrow as pa

            self._sink = io.BytesIO()
            file = pa.PythonFile(_Unclosed(self._sink), mode="w")
            self._stream = pa.CompressedOutputStream(file, _ARROW_CODECS[encoding])

    def encode(self, piece: bytes | memoryview) -> bytes:
        """The bytes to send for a piece; may be empty."""
        if self._deflate is not None:
            return self._deflate.compress(piece)
        self._stream.write(piece)
        return self._drain()

    def finish(self) -> bytes:
        """The last bytes."""
        if self._deflate is not None:
            return self._deflate.flush()
        self._stream.close()
        return self._drain()

    def _drain(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


class _Unclosed(io.RawIOBase):
    """Passes writes on; closing it leaves the buffer open."""

    def __init__(self, sink: io.BytesIO) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._sink.write(data)


def _checksum(block: bytes) -> bytes:
    try:
        from clickhouse_cityhash.cityhash import CityHash128  # type: ignore[import-untyped]
    except ImportError:
        raise StoreFault.of(NOT_IMPLEMENTED, "compress=1 and decompress=1 need the package clickhouse-cityhash") from None
    value: int = CityHash128(block)
    # The library gives (low << 64 | high); ClickHouse writes low, then high, each little-endian.
    return struct.pack("<QQ", value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF)


def compress_blocks(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """ClickHouse's compressed blocks (LZ4) of a stream."""
    import pyarrow as pa

    codec = pa.Codec("lz4_raw")
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(view), _BLOCK_BYTES):
            data = view[at : at + _BLOCK_BYTES]
            packed = codec.compress(data, asbytes=True)
            block = _BLOCK_HEADER.pack(_METHOD_LZ4, len(packed) + _BLOCK_HEADER.size, len(data)) + packed
            yield _checksum(block) + block


def decompress_blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Undo `compress_blocks` (LZ4, ZSTD or stored blocks).

    Raises
    ------
    StoreFault
        A checksum does not match, a method is unknown or the stream ends within a block.
    """
    import pyarrow as pa

    source = io.BufferedReader(_PiecesReader(pieces), _PIECE_BYTES)
    codecs = {_METHOD_LZ4: pa.Codec("lz4_raw"), _METHOD_ZSTD: pa.Codec("zstd")}
    while checksum := source.read(16):
        header = source.read(_BLOCK_HEADER.size)
        if len(header) < _BLOCK_HEADER.size:
            raise StoreFault.of(BAD_ARGUMENTS, "Cannot decompress: the stream ends within a block")
        method, packed_size, size = _BLOCK_HEADER.unpack(header)
        if max(packed_size, size) > _MAX_BLOCK_BYTES or packed_size < _BLOCK_HEADER.size:
            raise StoreFault.of(BAD_ARGUMENTS, "Cannot decompress: the block's size is beyond all bounds")
        packed = source.read(packed_size - _BLOCK_HEADER.size)
        if _checksum(header + packed) != checksum:
            raise StoreFault.of((40, "CHECKSUM_DOESNT_MATCH"), "Checksum doesn't match: corrupted data")
        if method == _METHOD_NONE:
            yield packed
        elif method in codecs:
            yield codecs[method].decompress(packed, size, asbytes=True)
        else:
            raise StoreFault.of((89, "UNKNOWN_COMPRESSION_METHOD"), f"Unknown compression method: {method:#x}")
