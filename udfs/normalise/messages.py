"""Kafka records that are one binary message instead of lines: found before the records are split, read beside the lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.otlp_protobuf import Export, read_export, read_messages
from udfs.formats.parsed import Parsed
from udfs.formats.remote_write import Sample, read_remote_write, read_samples

__all__ = ["Messages", "find_messages"]

_OTLP = b"\x0a"  # the first byte of every OTLP export; also a line end, with which lines seldom begin
# Remote write begins with its length unpacked: over 127 bytes that is no ASCII.
_HEADS = pa.array([_OTLP, *(bytes([byte]) for byte in range(0x80, 0x100))], pa.binary())


class Messages:
    """Messages among the records of a batch."""

    def __init__(self, found: dict[int, Export | list[Sample]]) -> None:
        self._found = list(found.values())
        self.records = np.fromiter(found, np.int64, len(found))
        """int64[m]: rows of the records, ascending."""

    def read(self, line: NDArray[Any]) -> list[Parsed]:
        """Events and metric points; `line` (int64[m]) is the input line of each message."""
        exports = [(message, index) for message, index in zip(self._found, line, strict=True) if isinstance(message, Export)]
        requests = [(message, index) for message, index in zip(self._found, line, strict=True) if not isinstance(message, Export)]
        results = read_messages([message for message, _ in exports], np.array([index for _, index in exports], np.int64)) if exports else []
        if requests:
            results += read_samples([message for message, _ in requests], np.array([index for _, index in requests], np.int64))
        return results


def find_messages(values: pa.Array) -> Messages:
    """The messages among Kafka records (binary[n]).

    Cost: one look at the first byte of each record; those that begin like a message are parsed.
    """
    heads = pc.binary_slice(values, 0, 1)
    candidates = np.flatnonzero(pc.is_in(heads, _HEADS).to_numpy(zero_copy_only=False))
    found: dict[int, Export | list[Sample]] = {}
    for row in candidates.tolist():
        record = values[row].as_py()
        message = read_export(record) if record[:1] == _OTLP else read_remote_write(record)
        if message is not None:
            found[row] = message
    return Messages(found)
