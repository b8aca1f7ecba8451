"""Payloads that leave the scoring query, as frames for correlate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyflink.common import Row
from pyflink.datastream import FlatMapFunction

from schemas.framing import from_payload, to_payload

__all__ = ["LabelScores", "scores_by_tick"]


def scores_by_tick(scores: pa.Table, tick_ms: int) -> Iterator[tuple[int, pa.Table]]:
    """Rows by the tick their point was emitted in; a point emitted at the end of a tick belongs to that tick."""
    emitted_ms = scores.column("emitted_at").cast(pa.int64()).to_numpy()
    ends = ((emitted_ms - 1) // tick_ms + 1) * tick_ms
    for end in np.unique(ends):
        yield int(end), scores if ends.min() == ends.max() else scores.filter(pa.array(ends == end))


class LabelScores(FlatMapFunction):
    """One element per tick; all go to one key, for an incident may join any entities."""

    def __init__(self, label: int, tick_ms: int) -> None:
        self._label, self._tick_ms = label, tick_ms

    def flat_map(self, value: Row) -> Iterator[Row]:
        """One payload of scores."""
        for tick, rows in scores_by_tick(from_payload(value[0]), self._tick_ms):
            yield Row("scores", self._label, tick, to_payload(rows))
