"""Cumulative metrics: what was counted between a point and the one before.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/#resets-and-gaps: a counter that fell, or that began anew, starts from zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from jobs.measure.segment import pack, unpack
from udfs.formats.values.distributions import Buckets, statistics, suffixed
from udfs.hashing import hash_columns

__all__ = ["CumulativeSeries"]

_NAMES = ("environment", "entity_kind", "entity", "metric")
_ORDER = ("time", "arrived_at", "topic", "partition", "offset", "line_index")
_SEGMENTS = 64
_TOLERANCE = 1e-9
_UNKNOWN = -1


@dataclass(frozen=True)
class _Counted:
    """The newest point of a series."""

    time_us: int
    start_us: int
    """-1 = not told."""
    edges: NDArray[Any]
    counters: NDArray[Any]


class CumulativeSeries:
    """The newest counters of every cumulative series.

    Parameters
    ----------
    limit : series to remember; the longest unseen go first
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._newest: dict[int, _Counted] = {}
        self._dirty: set[int] = set()
        self._stored: set[int] = set()
        self.dropped = 0
        """Points no newer than the one before: repeats, or so late that their difference is told already."""

    def __len__(self) -> int:
        return len(self._newest)

    def differences(self, points: pa.Table) -> pa.Table:
        """METRIC_POINT rows of one tick, of which the cumulative ones are replaced by what they add.

        A counter becomes `<name>.rate`, per second; a histogram or summary its count, sum, mean and quantiles since the point before. The
        first point of a series counts from its start, and says nothing where that is not told.

        Cost: some 20 us a cumulative point; nothing for others. Loops over the cumulative points of the tick.
        """
        frame = pl.DataFrame(pl.from_arrow(points.select([*_NAMES, *_ORDER, "is_cumulative"]))).with_columns(
            pl.col("is_cumulative").fill_null(value=False)
        )
        if not frame.get_column("is_cumulative").any():
            return points
        keys = hash_columns([points.column(name) for name in _NAMES])
        frame = frame.with_columns(key=pl.Series(keys), row=pl.int_range(pl.len()))
        plain = frame.filter(~pl.col("is_cumulative")).get_column("row").to_numpy()
        order = frame.filter(pl.col("is_cumulative")).sort("key", *_ORDER).get_column("row").to_numpy()
        chosen = points.take(pa.array(order))
        rows: list[int] = []
        metrics: list[str] = []
        values: list[float] = []
        columns = zip(
            keys[order].tolist(),
            chosen.column("metric").to_pylist(),
            chosen.column("time").cast(pa.int64()).to_pylist(),
            chosen.column("started_at").cast(pa.int64()).to_pylist(),
            chosen.column("edges").to_pylist(),
            chosen.column("counters").to_pylist(),
            strict=True,
        )
        for row, (key, metric, time_us, start_us, edges, counters) in enumerate(columns):
            if counters is None:  # the mean and quantiles since the start: told anew from the counters
                continue
            found = _Counted(time_us, _UNKNOWN if start_us is None else start_us, np.array(edges or ()), np.array(counters, np.float64))
            for name, value in self._added(key, metric, found):
                rows.append(row)
                metrics.append(name)
                values.append(value)
        self._bound()
        new = chosen.take(pa.array(rows, pa.int64()))
        new = new.set_column(new.schema.get_field_index("metric"), points.schema.field("metric"), pa.array(metrics, pa.string()))
        new = new.set_column(new.schema.get_field_index("value"), points.schema.field("value"), pa.array(values, pa.float64()))
        return pa.concat_tables([points.take(pa.array(plain)), new])

    def _added(self, key: int, metric: str, now: _Counted) -> list[tuple[str, float]]:
        last = self._newest.get(key)
        if last is not None and now.time_us <= last.time_us:
            self.dropped += 1
            return []
        self._newest[key] = now
        self._dirty.add(key % _SEGMENTS)
        since_us, added = _difference(last, now)
        seconds = (now.time_us - since_us) / 1e6
        if added is None or seconds <= 0:
            return []
        if len(added) == 1:
            return [(suffixed(metric, "rate"), float(added[0]) / seconds)]
        name, brace, attributes = metric.partition("{")
        base = f"{name.removesuffix('.count')}{brace}{attributes}"
        total = None if np.isnan(added[1]) else float(added[1])
        found = statistics(float(added[0]), total, Buckets(now.edges.tolist(), added[2:].tolist()))
        return [(suffixed(base, suffix), value) for suffix, value in found]

    def _bound(self) -> None:
        if len(self._newest) > self._limit:
            # some room at once, so that this does not happen at every tick
            excess = len(self._newest) - self._limit * 19 // 20
            for key in sorted(self._newest, key=lambda k: (self._newest[k].time_us, k))[:excess]:
                del self._newest[key]
                self._dirty.add(key % _SEGMENTS)

    def changes(self, prefix: str) -> dict[str, bytes | None]:
        """Segments touched since the last call, by name `<prefix>/<number>`; None = nothing is left in it."""
        out: dict[str, bytes | None] = {}
        if self._dirty:
            keys: dict[int, list[int]] = {number: [] for number in self._dirty}
            for key in self._newest:
                if key % _SEGMENTS in keys:
                    keys[key % _SEGMENTS].append(key)
            for number in sorted(self._dirty):
                blob = self._segment(sorted(keys[number])) if keys[number] else None
                if blob is not None or number in self._stored:
                    out[f"{prefix}/{number}"] = blob
                (self._stored.discard if blob is None else self._stored.add)(number)
            self._dirty.clear()
        return out

    def _segment(self, keys: list[int]) -> bytes:
        found = [self._newest[key] for key in keys]
        return pack(
            {
                "key": np.array(keys, np.uint64),
                "time": np.array([one.time_us for one in found], np.int64),
                "start": np.array([one.start_us for one in found], np.int64),
                "edge_count": np.array([len(one.edges) for one in found], np.int64),
                "counter_count": np.array([len(one.counters) for one in found], np.int64),
                "edges": np.concatenate([one.edges for one in found]).astype(np.float64),
                "counters": np.concatenate([one.counters for one in found]),
            }
        )

    def restore(self, prefix: str, segments: Mapping[str, bytes]) -> None:
        """Fill fresh state with what `changes` gave."""
        for name, blob in segments.items():
            if not name.startswith(f"{prefix}/"):
                continue
            self._stored.add(int(name.rpartition("/")[2]))
            arrays = unpack(blob)
            edges = np.split(arrays["edges"], np.cumsum(arrays["edge_count"])[:-1])
            counters = np.split(arrays["counters"], np.cumsum(arrays["counter_count"])[:-1])
            columns = zip(arrays["key"].tolist(), arrays["time"].tolist(), arrays["start"].tolist(), edges, counters, strict=True)
            for key, time_us, start_us, own_edges, own_counters in columns:
                self._newest[key] = _Counted(time_us, start_us, own_edges, own_counters)


def _difference(last: _Counted | None, now: _Counted) -> tuple[int, NDArray[Any] | None]:
    """Since when, and what was counted since; None where nothing tells."""
    if last is None:
        return now.start_us, now.counters if now.start_us != _UNKNOWN else None
    before = _in_buckets_of(last, now)
    if before is None:
        return last.time_us, None
    began_anew = last.start_us < now.start_us and last.start_us != _UNKNOWN
    added = now.counters - before
    fell = bool((np.delete(added, 1) if len(added) > 1 else added).min() < 0)  # a sum may fall: of negative values
    if began_anew or fell:
        return max(last.time_us, now.start_us), now.counters
    return last.time_us, added


def _in_buckets_of(last: _Counted, now: _Counted) -> NDArray[Any] | None:
    """The counters of `last` in the buckets of `now`; None where they do not nest. Exponential histograms widen and coarsen as they go."""
    if np.array_equal(last.edges, now.edges) and len(last.counters) == len(now.counters):
        return last.counters
    if not len(now.edges) or not len(last.edges) or len(now.counters) < 3:
        return None
    before = np.zeros(len(now.counters))
    before[:2] = last.counters[:2]
    lower = last.edges[:-1]
    with np.errstate(invalid="ignore"):
        inside = np.where(np.isinf(lower), lower, lower + np.abs(lower) * _TOLERANCE)
    at = np.searchsorted(now.edges, inside, side="right") - 1
    counts = last.counters[2:]
    if ((at < 0) | (at >= len(now.edges) - 1))[counts != 0].any():
        return None
    np.add.at(before, 2 + np.clip(at, 0, len(now.edges) - 2), counts)
    return before
