"""Compression on the wire gives back what went in, and says so when it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.stack.store.compression import Encoder, choose_encoding, compress_blocks, decode, decompress_blocks
from jobs.stack.store.faults import StoreFault

ENCODINGS = ("gzip", "deflate", "zstd", "lz4", "br")


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(pieces=st.lists(st.binary(max_size=300), min_size=1, max_size=6), cut=st.integers(1, 50))
def test_decoding_an_encoded_body_gives_it_back_however_it_is_cut(encoding: str, pieces: list[bytes], cut: int) -> None:
    encoder = Encoder(encoding)
    body = b"".join(encoder.encode(piece) for piece in pieces) + encoder.finish()
    assert b"".join(decode(_cut(body, cut), encoding)) == b"".join(pieces)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 50))
def test_blocks_give_back_the_stream(pieces: list[bytes], cut: int) -> None:
    assert b"".join(decompress_blocks(_cut(b"".join(compress_blocks(pieces)), cut))) == b"".join(pieces)


def test_a_damaged_block_is_refused() -> None:
    block = bytearray(b"".join(compress_blocks([b"some text of some length"])))
    block[-1] ^= 1
    with pytest.raises(StoreFault, match="CHECKSUM_DOESNT_MATCH"):
        list(decompress_blocks(iter([bytes(block)])))


def test_a_cut_block_is_refused() -> None:
    with pytest.raises(StoreFault, match="ends within a block"):
        list(decompress_blocks(iter([b"\x00" * 20])))


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4", "br"])
def test_a_body_that_is_not_of_its_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(StoreFault):
        list(decode(iter([b"SELECT 1, this is plain text"]), encoding))


def test_unknown_encoding_is_refused() -> None:
    with pytest.raises(StoreFault, match="Unknown compression method: rot13"):
        list(decode(iter([b"x"]), "rot13"))


def test_encoding_is_chosen_from_what_the_client_accepts() -> None:
    assert choose_encoding("gzip, deflate, zstd") == "zstd"
    assert choose_encoding("gzip;q=0, br;q=0.5") == "br"
    assert choose_encoding("") is None
