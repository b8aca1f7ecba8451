"""What every format parser hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Parsed", "Refusal"]


class Refusal(NamedTuple):
    """Why a line (or one record of an export) cannot be read."""

    reason: str
    """Short code, e.g. invalid_timestamp."""
    detail: str
    """What exactly, in words; at most 200 characters of the input."""
    original: bytes | None = None
    """The refused record's own bytes where it is a part of its line; None = the line's."""


@dataclass
class Parsed:
    """Rows of one format, one per event, and those refused.

    Columns bear the names and types of `schemas.event.EVENT`; a column that is not there is null. Rows keep their place when they
    are refused, and are dropped at the end.
    """

    line: NDArray[Any]
    """int64[n]: index of the input line of each row."""
    columns: dict[str, pa.Array] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)
    """Row -> why. The first reason stays."""
    position: NDArray[Any] | None = None
    """int64[n]: place of the row within its line; None = one row a line."""
    metric_columns: dict[str, pa.Array] | None = None
    """METRIC_POINT columns where rows are data points instead of events."""
    change_columns: dict[str, pa.Array] | None = None
    """CHANGE columns where rows are changes instead of events."""

    def refuse(self, bad: NDArray[Any] | None, reason: str, values: Sequence[object] | pa.Array | None = None) -> None:
        """Refuse the rows where `bad`; `values` are shown in the detail."""
        if bad is None:
            return
        for row in np.flatnonzero(bad):
            value = None if values is None else values[int(row)]
            shown = value.as_py() if isinstance(value, pa.Scalar) else value
            self.refused.setdefault(int(row), Refusal(reason, "" if values is None else repr(shown)[:200]))
