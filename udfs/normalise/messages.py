"""Kafka records that are one binary message instead of lines: found before the records are split, read beside the lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.otlp_protobuf import Export, read_export, read_messages
from udfs.formats.parsed import Parsed

__all__ = ["Messages", "find_messages"]

_OTLP = b"\x0a"  # the first byte of every OTLP export; also a line end, with which lines seldom begin


class Messages:
    """Messages among the records of a batch."""

    def __init__(self, exports: dict[int, Export]) -> None:
        self._exports = exports
        self.records = np.fromiter(exports, np.int64, len(exports))
        """int64[m]: rows of the records, ascending."""

    def read(self, line: NDArray[Any]) -> list[Parsed]:
        """Events and metric points; `line` (int64[m]) is the input line of each message."""
        return read_messages(list(self._exports.values()), line) if len(line) else []


def find_messages(values: pa.Array) -> Messages:
    """The messages among Kafka records (binary[n]).

    Cost: one look at the first byte of each record; those that begin like a message are parsed.
    """
    candidates = np.flatnonzero(pc.starts_with(values, _OTLP).fill_null(False).to_numpy(zero_copy_only=False))
    found = {}
    for row in candidates.tolist():
        export = read_export(values[row].as_py())
        if export is not None:
            found[row] = export
    return Messages(found)
