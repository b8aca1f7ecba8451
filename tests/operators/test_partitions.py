"""Partitions: nothing is lost, order is kept, and keys spread evenly over any parallelism that divides them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.operators.partitions import MAX_PARALLELISM, PARTITIONS, partition_labels, split_by_partition


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(1, 8))
def test_every_row_goes_to_the_partition_of_its_hash_in_its_order(hashes: list[int], partitions: int) -> None:
    table = pa.table({"hash": pa.array(hashes, pa.uint64()), "row": pa.array(range(len(hashes)), pa.int64())})
    seen: dict[int, list[int]] = {
        partition: rows.column("row").to_pylist() for partition, rows in split_by_partition(table, "hash", partitions)
    }
    expected: dict[int, list[int]] = {}
    for row, value in enumerate(hashes):
        expected.setdefault(value % partitions, []).append(row)
    assert seen == expected


@pytest.mark.flink
def test_labels_fall_into_the_key_groups_that_flink_itself_computes() -> None:
    from pyflink.java_gateway import get_gateway

    jvm = get_gateway().jvm
    groups = []
    for label in partition_labels():
        row = jvm.org.apache.flink.types.Row(1)
        row.setField(0, label)
        groups.append(jvm.org.apache.flink.runtime.state.KeyGroupRangeAssignment.assignToKeyGroup(row, MAX_PARALLELISM))
    assert groups == [partition * MAX_PARALLELISM // PARTITIONS for partition in range(PARTITIONS)]
    for parallelism in (1, 2, 4):
        subtasks = np.bincount([group * parallelism // MAX_PARALLELISM for group in groups], minlength=parallelism)
        assert set(subtasks) == {PARTITIONS // parallelism}
