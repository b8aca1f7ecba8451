"""Batches are sized by bytes although Flink counts rows."""

from __future__ import annotations

import pytest

from jobs.sizing import MAX_BATCH_ROWS, TARGET_BYTES, batch_rows


@pytest.mark.parametrize(
    ("mean_bytes", "rows"),
    [(None, MAX_BATCH_ROWS), (300, MAX_BATCH_ROWS), (32 * 1024, 256), (1 << 20, 20), (16 << 20, 20)],
)
def test_large_records_make_small_batches(mean_bytes: float | None, rows: int) -> None:
    assert batch_rows(mean_bytes) == rows
    assert rows * (mean_bytes or 0) <= TARGET_BYTES or rows == 20
