"""The measure stage: partial windows and ready-made metric points of one tick to points with baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from jobs.measure.chain import WindowPoints
from jobs.measure.detectors import DETECTORS
from jobs.measure.fold import fold_routes
from jobs.measure.metrics import METRICS
from jobs.measure.ready_made import ReadyMade, pass_through
from jobs.measure.state import MeasureState
from jobs.measure.window import WindowCounts
from schemas.framing import concat
from schemas.point import POINT

__all__ = ["MeasureOut", "on_batch"]

_SORT = ["environment", "entity_kind", "entity", "metric", "width_s", "time", "revision"]


@dataclass(frozen=True)
class MeasureOut:
    """What one tick gave."""

    points: pa.Table
    """POINT, sorted by identity and revision."""


def on_batch(state: MeasureState, partials: pa.Table, metric_points: pa.Table, now_ms: int) -> tuple[MeasureState, MeasureOut]:
    """One tick.

    Parameters
    ----------
    state : is changed in place
    partials : PARTIAL rows of the tick, in any order
    metric_points : METRIC_POINT rows of the tick, in any order
    now_ms : end of the tick on the broker clock

    Returns
    -------
    The state and the points: of windows due for the first time (revision 1), of windows that late rows changed (next revision,
    baseline of the first emission), and of the ready-made points.

    Cost: about 5 us per point, and 0.2 us per entity and histogram bucket added.
    """
    now_us = now_ms * 1000
    state.now_ms = now_ms
    windows: list[WindowPoints] = []
    ahead = partials.column("window_start").cast(pa.int64()).to_numpy() > now_us + state.knobs.measure_late_horizon * 1000
    if ahead.any():
        state.future_dropped += int(partials.column("request_count").to_numpy()[ahead].sum())
        partials = partials.filter(pa.array(~ahead))
    if partials.num_rows:
        state.resume(now_ms)
        partials, folded = fold_routes(partials, state.names, state.knobs.measure_max_routes)
        state.routes_folded += folded
        state.names.add(partials)
    of_client = np.isin(partials.column("entity_kind").to_numpy(zero_copy_only=False), ("client", "call", "template"))
    cut_off_us = None if state.ended_at_ms is None else state.ended_at_ms * 1000
    for chain, chosen in ((state.windows, ~of_client), (state.clients, of_client)):
        chain.expire(now_us)
        chain.add(_by_window(partials.filter(pa.array(chosen))), now_us)
        windows += chain.amend()
        windows += chain.emit(now_us, cut_off_us)
    ready = pass_through(state.ready_made, state.cumulative.differences(metric_points))
    state.repeated_dropped += ready.repeated
    tables = [_window_table(state, windows, now_ms), _ready_table(ready, now_ms)]
    state.bound()
    points = concat(tables, POINT.arrow)
    return state, MeasureOut(POINT.conform(pl.DataFrame(pl.from_arrow(points)).sort(_SORT).to_arrow()) if points.num_rows else points)


def _by_window(partials: pa.Table) -> dict[int, WindowCounts]:
    """Sums by window; loops over the windows of the tick, which are few."""
    starts = partials.column("window_start").cast(pa.int64()).to_numpy()
    return {int(start): WindowCounts.of(partials.filter(pa.array(starts == start))) for start in np.unique(starts)}


def _window_table(state: MeasureState, windows: list[WindowPoints], now_ms: int) -> pa.Table:
    if not windows:
        return POINT.empty()
    lengths = [len(window.points.keys) for window in windows]

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(window.points, name) for window in windows])

    environment, kind, entity = state.names.names(column("entities"))
    return _table(
        {
            "time": _instant(np.repeat([window.start_us for window in windows], lengths), "us"),
            "environment": environment,
            "entity_kind": kind,
            "entity": entity,
            "metric": pa.array(METRICS).take(pa.array(column("metrics"))),
            "width_s": np.repeat([window.width_s for window in windows], lengths).astype(np.int32),
            "value": column("values"),
            "weight": column("weights"),
            "expected": column("expected"),
            "spread": column("spread"),
            "seasonal_expected": column("seasonal_expected"),
            "history_count": column("history_count").astype(np.int32),
            "previous": column("previous"),
            **{f"{name}_surprise": surprise for name, surprise in zip(DETECTORS, column("surprises").T, strict=True)},
            "revision": column("revision"),
            "source": pa.array(["window"] * sum(lengths)),
            "emitted_at": _instant(np.full(sum(lengths), now_ms), "ms"),
        }
    )


def _ready_table(ready: ReadyMade, now_ms: int) -> pa.Table:
    n = ready.points.num_rows
    names = ("time", "environment", "entity_kind", "entity", "metric", "value")
    source = ready.points.column("source").fill_null("otlp")
    return _table(
        {
            **{name: ready.points.column(name) for name in names},
            "width_s": np.zeros(n, np.int32),
            "weight": np.ones(n),
            **vars(ready.baseline),
            "revision": ready.revision,
            "source": source,
            "emitted_at": _instant(np.full(n, now_ms), "ms"),
        }
    )


def _table(columns: dict[str, NDArray[Any] | pa.Array | pa.ChunkedArray]) -> pa.Table:
    """A POINT table; NaN becomes null."""
    arrays = {name: pa.array(column, from_pandas=True) if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    return POINT.conform(pa.table(arrays))


def _instant(epochs: NDArray[Any], unit: str) -> pa.Array:
    return pa.array(epochs.astype(np.int64)).cast(pa.timestamp(unit, tz="UTC"))
