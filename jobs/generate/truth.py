"""What was sent, counted while it was made: the yardstick of every end-to-end test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.generate.faults import Fault
from jobs.generate.topology import MAX_EVENTS

__all__ = ["TRANSACTION_TRUTH", "Truth"]

TRANSACTION_TRUTH = pa.schema(
    {
        "request_id": pa.string(),
        "trace_id": pa.string(),
        "format": pa.string(),
        "environment": pa.string(),
        "event_count": pa.int32(),
        "root_span_id": pa.string(),
        "root_service": pa.string(),
        "root_route": pa.string(),
        "http_response_status_code": pa.int32(),
        "services": pa.list_(pa.string()),
        "started_at": pa.timestamp("us", tz="UTC"),
    }
)
"""Columns of the per-transaction truth. IDs that the format does not log are ''."""


@dataclass
class Truth:
    """Counts of a world's lines; complete when its chunks have been read to the end."""

    seed: int
    start_ms: int
    """Epoch ms of the world's start."""
    faults: Sequence[Fault] = ()
    keep_transactions: bool = False
    """Keep a row per transaction (about 200 bytes each) for `write_transactions`."""
    lines_sent: int = 0
    malformed_lines: int = 0
    duplicate_lines: int = 0
    late_lines: int = 0
    """Lines held back 2..30 s, duplicates not among them."""
    bytes_sent: int = 0
    format_lines: dict[str, int] = field(default_factory=dict)
    """Readable lines by format."""
    end_ms: int = 0
    """Epoch ms of the last request's start."""
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_EVENTS + 1, np.int64))
    """Transactions by number of events."""
    parts: list[pa.Table] = field(default_factory=list)

    @property
    def valid_lines(self) -> int:
        """Readable lines sent: each is one stored event; repeats are among them."""
        return self.lines_sent - self.malformed_lines

    @property
    def transactions(self) -> int:
        """Transactions with at least one readable line."""
        return int(self.histogram.sum())

    def as_dict(self) -> dict[str, Any]:
        """The truth file."""
        return {
            "seed": self.seed,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "lines_sent": self.lines_sent,
            "valid_lines": self.valid_lines,
            "malformed_lines": self.malformed_lines,
            "duplicate_lines": self.duplicate_lines,
            "unique_lines": self.valid_lines - self.duplicate_lines,
            "late_lines": self.late_lines,
            "bytes_sent": self.bytes_sent,
            "format_lines": dict(sorted(self.format_lines.items())),
            "transactions": self.transactions,
            "events_per_transaction": {str(n): int(count) for n, count in enumerate(self.histogram) if count},
            "faults": [fault.as_truth(self.start_ms) for fault in self.faults],
        }

    def write(self, path: Path) -> None:
        """Write the truth file (JSON)."""
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n")

    def write_transactions(self, path: Path) -> None:
        """Write one row per transaction (parquet)."""
        pq.write_table(pa.concat_tables(self.parts) if self.parts else TRANSACTION_TRUTH.empty_table(), path, compression="zstd")
