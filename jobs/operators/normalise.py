"""normalise on Flink: a pandas UDF from raw records to frames, and the operator that takes the frames apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyflink.common import Row
from pyflink.datastream import FlatMapFunction
from pyflink.table import DataTypes, FunctionContext, ScalarFunction
from pyflink.table.udf import UserDefinedScalarFunctionWrapper, udf

from jobs.assemble.links import has_links, links_of, split_traces
from jobs.operators.partitions import PARTITIONS, split_by_partition
from jobs.operators.ticks import tick_end_ms
from schemas.errors import AnomasecError
from schemas.event import RAW
from schemas.framing import Frame, pack_frames, to_payload, unpack_frames
from udfs.normalise import NormaliseOut, NormaliseSettings, normalise

__all__ = ["Brake", "SplitFrames", "frames_of", "normalise_udf"]


class Brake:
    """Stops the job when the invalid share says that the deploy, not the data, is broken."""

    def __init__(self, max_invalid_ratio: float, min_lines: int) -> None:
        self.max_invalid_ratio = max_invalid_ratio
        self.min_lines = min_lines
        self.lines = 0.0
        self.invalid = 0.0

    def count(self, valid: int, invalid: int) -> None:
        """Count one batch; older batches fade, so that the share speaks of the last `min_lines` or so.

        Raises
        ------
        AnomasecError
            The invalid share is over the limit.
        """
        fade = 0.5 if self.lines > 2 * self.min_lines else 1.0
        self.lines = self.lines * fade + valid + invalid
        self.invalid = self.invalid * fade + invalid
        if self.lines >= self.min_lines and self.invalid > self.max_invalid_ratio * self.lines:
            raise AnomasecError(
                f"{self.invalid / self.lines:.0%} of the lines are unreadable (limit {self.max_invalid_ratio:.0%})",
                "look at the dead letters, mend the input or the format, or raise anomasec.normalise.max_invalid_ratio",
            )


def frames_of(out: NormaliseOut, tick_ms: int, partitions: int = PARTITIONS) -> list[Frame]:
    """Rows split by key partition and tick of their arrival."""
    frames = []
    traces, events = split_traces(out.events)
    for target, table, hashes in (
        ("traces", traces, "transaction_hash"),
        ("events", events, "transaction_hash"),
        ("metric_points", out.metric_points, "entity_hash"),
        ("dead_letters", out.dead_letters, None),
        ("changes", out.changes, None),
    ):
        if not table.num_rows:
            continue
        parts = split_by_partition(table, hashes, partitions) if hashes else [(0, table)]
        for partition, rows in parts:
            frames += [Frame(target, partition, tick, to_payload(part)) for tick, part in _by_tick(rows, tick_ms)]
    if has_links(events):
        for tick, part in _by_tick(events, tick_ms):
            for partition, rows in split_by_partition(links_of(part), "trace_hash", partitions):
                frames.append(Frame("links", partition, tick, to_payload(rows)))
    return frames


def _by_tick(rows: pa.Table, tick_ms: int) -> Iterator[tuple[int, pa.Table]]:
    """End of tick, and the rows that arrived in it: one or two, as a batch spans little time."""
    ticks = rows.column("arrived_at").cast(pa.int64()).to_numpy() // tick_ms
    for tick in np.unique(ticks):
        part = rows if ticks.min() == ticks.max() else rows.filter(pa.array(ticks == tick))
        yield tick_end_ms(int(tick) * tick_ms, tick_ms), part


class _Normalise(ScalarFunction):
    def __init__(self, settings: NormaliseSettings, topic: str, tick_ms: int, brake: Brake) -> None:
        self._settings, self._topic, self._tick_ms, self._brake = settings, topic, tick_ms, brake

    def is_deterministic(self) -> bool:
        return False  # a deterministic one is evaluated twice, once for the filter on its result

    def open(self, function_context: FunctionContext) -> None:
        pa.set_cpu_count(1)

    def eval(self, value: pd.Series, partition: pd.Series, offset: pd.Series, arrival: pd.Series) -> pd.Series:
        n = len(value)
        raw = pa.table(
            [
                pa.array(value, pa.binary(), from_pandas=True),
                pa.repeat(self._topic, n),
                pa.array(partition.to_numpy(), pa.int32()),
                pa.array(offset.to_numpy(), pa.int64()),
                pa.array(arrival, pa.timestamp("ms", tz="UTC")).cast(pa.int64()),
            ],
            schema=RAW.arrow,
        )
        out = normalise(raw, self._settings)
        self._brake.count(out.events.num_rows + out.metric_points.num_rows + out.changes.num_rows, out.dead_letters.num_rows)
        cells: list[bytes | None] = [None] * n
        cells[0] = pack_frames(frames_of(out, self._tick_ms)) or None
        return pd.Series(cells, dtype=object)


def normalise_udf(settings: NormaliseSettings, topic: str, tick_ms: int, brake: Brake) -> UserDefinedScalarFunctionWrapper:
    """UDF `(value BYTES, partition INT, offset BIGINT, arrival TIMESTAMP_LTZ(3)) -> BYTES`: all frames of a batch in its first cell."""
    return udf(
        _Normalise(settings, topic, tick_ms, brake),
        result_type=DataTypes.BYTES(),
        func_type="pandas",
        deterministic=False,
    )


class SplitFrames(FlatMapFunction):
    """Cells to elements: one element per frame, labelled with the key of its partition; of traces, or of all else."""

    def __init__(self, labels: list[int], traces: bool) -> None:
        self._labels, self._traces = labels, traces

    def flat_map(self, value: Row) -> Iterator[Row]:
        """One cell; null cells of the heartbeat carry nothing."""
        if value[0] is not None:
            for frame in unpack_frames(value[0]):
                if (frame.target in ("traces", "links")) != self._traces:
                    continue
                yield Row(frame.target, self._labels[frame.partition], frame.tick_ms, frame.payload)
