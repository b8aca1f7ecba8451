"""Framing: what goes in comes out."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import EVENT
from schemas.framing import Frame, concat, from_payload, pack_frames, to_payload, unpack_frames

FRAMES = st.lists(
    st.builds(Frame, st.text(max_size=12), st.integers(0, 2**31 - 1), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=64))
)


@given(FRAMES)
def test_frames_come_out_as_they_went_in(frames: list[Frame]) -> None:
    assert list(unpack_frames(pack_frames(frames))) == frames


@given(st.lists(st.one_of(st.none(), st.text())))
def test_tables_come_out_as_they_went_in(values: list[str | None]) -> None:
    table = pa.table({"value": pa.array(values, pa.string())})
    assert from_payload(to_payload(table)).equals(table.combine_chunks())


def test_an_empty_table_keeps_its_schema() -> None:
    assert from_payload(to_payload(EVENT.empty())).schema.equals(EVENT.arrow)
    assert concat([], EVENT.arrow).schema.equals(EVENT.arrow)


def test_payloads_of_earlier_versions_are_read() -> None:
    table = pa.table({"value": ["a", None, "b" * 1000]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    assert from_payload(bytes(sink.getvalue())).equals(table)
    assert from_payload(to_payload(table)).equals(table)
    assert len(to_payload(table)) < 1000
