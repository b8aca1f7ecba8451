"""Record batches: what kafka-python reads back is what went in."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords

from jobs.generate.batches import encode_batch, split_by_bytes

MESSAGES = st.lists(st.one_of(st.binary(max_size=300), st.integers(60, 20_000).map(bytes)), min_size=1, max_size=200)


@settings(max_examples=50, deadline=None)
@given(MESSAGES)
def test_a_batch_reads_back_as_its_messages(messages: list[bytes]) -> None:
    encoded = encode_batch(pa.array(messages, pa.binary()), 1_700_000_000_123, 77, 3, 41)
    batch = MemoryRecords(encoded).next_batch()
    assert batch.validate_crc()
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (77, 3, 41)
    records = list(batch)
    assert [record.value for record in records] == messages
    assert [record.offset for record in records] == list(range(len(messages)))
    assert {(record.key, record.timestamp) for record in records} == {(None, 1_700_000_000_123)}


def test_a_slice_of_a_column_is_encoded_without_its_neighbours() -> None:
    column = pa.array([b"a", b"bb", b"ccc", b"dddd"], pa.binary())[1:3]
    batch = MemoryRecords(encode_batch(column, 0)).next_batch()
    assert [record.value for record in batch] == [b"bb", b"ccc"]


@given(MESSAGES, st.integers(1, 5_000))
def test_runs_keep_order_and_stay_below_the_limit(messages: list[bytes], most: int) -> None:
    runs = [run.to_pylist() for run in split_by_bytes(pa.array(messages, pa.binary()), most)]
    assert [message for run in runs for message in run] == messages
    assert all(len(run) == 1 or sum(map(len, run)) <= most for run in runs)
