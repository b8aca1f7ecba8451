"""`python -m tests.scorecard cold_start`: minutes from the first line of a new entity to its first right verdict.

A route (5 s windows) and a client (1 min windows) begin, with siblings that have run for a while or alone, and go wrong after so many
minutes: the route three times as slow, the client four times as busy. The verdict is right when the fault is called within two windows
and nothing was called before it. By the measure stage and the votes and rules of score.sql.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.knobs import Knobs
from jobs.measure import MeasureState, on_batch
from jobs.measure.histogram import buckets
from schemas.event import METRIC_POINT
from schemas.partial import PARTIAL
from tests.scorecard.verdicts import verdicts
from udfs.hashing import hash_columns

__all__ = ["TITLE", "first_right", "rows"]

TITLE = "Cold start: minutes from a new entity's first line to the first right verdict, median and 9 of 10; false verdicts per run before"

_START_US = 1_767_225_600_000_000
_SIBLINGS = 12
_OLD = 30
"""Windows the siblings run before the newcomer."""
_NEVER = 99


def rows(seeds: int = 10) -> list[list[str]]:
    """The table; about 20 s."""
    lines = [["newcomer", "with siblings", "9 of 10", "false", "alone", "9 of 10", "false"]]
    for kind, width_s in (("route", 5), ("client", 60)):
        cells = []
        for siblings in (_SIBLINGS, 0):
            found = [first_right(kind, width_s, siblings, seed) for seed in range(seeds)]
            minutes = sorted(windows * width_s / 60 for windows, _ in found)
            cells += [f"{np.median(minutes):.1f}", f"{minutes[int(0.9 * (seeds - 1))]:.1f}", f"{np.mean([f for _, f in found]):.2f}"]
        lines.append([kind, *cells])
    return lines


def first_right(kind: str, width_s: int, siblings: int, seed: int, most: int = 20) -> tuple[int, int]:
    """Least number of windows after which a fault of the newcomer is called (99 = never), and false verdicts on it in a calm run."""
    calm = _run(kind, width_s, siblings, seed, None, most)
    false = int(calm["is_anomaly"].sum())
    for begin in range(1, most):
        hit = _run(kind, width_s, siblings, seed, begin, begin + 2)
        if hit.filter(pl.col("is_anomaly") & (pl.col("window") >= begin)).height:
            return begin + 1, false
    return _NEVER, false


def _run(kind: str, width_s: int, siblings: int, seed: int, fault_at: int | None, windows: int) -> pl.DataFrame:
    """Points of the newcomer with their verdicts; `window` counts from its first. One state for a whole run of windows."""
    rng = np.random.default_rng([seed, siblings])
    knobs = Knobs(measure_widths=(width_s,), measure_client_widths=(width_s,))
    state = MeasureState.load({}, knobs)
    rates = rng.uniform(15, 80, siblings + 1)
    slow = rng.uniform(20, 200, siblings + 1)
    old = _OLD if siblings else 1
    out: list[pa.Table] = []
    for number in range(old + windows + 1):
        wrong = fault_at is not None and number - old >= fault_at
        alive = [i for i in range(siblings + 1) if i < siblings or number >= old]
        parts = [_partial(kind, i, i == siblings and wrong, rates[i], slow[i], rng) for i in alive] if number < old + windows else []
        begin = _START_US + number * width_s * 1_000_000
        state, made = on_batch(state, _partials(parts, begin), METRIC_POINT.empty(), begin // 1000 + 2_100)
        out.append(made.points)
    frame = verdicts(pa.concat_tables(out)).filter((pl.col("entity") == _name(kind, siblings)) & (pl.col("entity_kind") == kind))
    since = _START_US + old * width_s * 1_000_000
    return frame.with_columns(window=(pl.col("time").dt.epoch("us") - since) // (width_s * 1_000_000))


def _name(kind: str, number: int) -> str:
    return f"shop GET /route{number}" if kind == "route" else f"10.0.0.{number}"


def _partial(kind: str, number: int, wrong: bool, rate: float, slow: float, rng: np.random.Generator) -> dict[str, Any]:
    count = max(int(rng.poisson(rate * rng.lognormal(0, 0.1) * (4 if wrong and kind == "client" else 1))), 1)
    row: dict[str, Any] = {"entity_kind": kind, "entity": _name(kind, number), "request_count": count}
    if kind == "route":
        durations = rng.lognormal(np.log(slow * (3 if wrong else 1)), 0.4, count)
        ids, counts = np.unique(buckets(durations), return_counts=True)
        row |= {"duration_buckets": ids.tolist(), "duration_counts": counts.tolist()}
    return row


def _partials(parts: Sequence[dict[str, Any]], start_us: int) -> pa.Table:
    if not parts:
        return PARTIAL.empty()
    blank = {field.name: 0 if pa.types.is_int64(field.type) else None for field in PARTIAL.arrow}
    made = [{**blank, **part, "environment": "prod", "window_start": start_us} for part in parts]
    columns = {name: [row[name] for row in made] for name in blank if name != "entity_hash"}
    names = [pa.array(columns[name], pa.string()) for name in ("environment", "entity_kind", "entity")]
    arrays = {name: pa.array(values) for name, values in columns.items() if name != "window_start"}
    starts = pa.array(columns["window_start"], pa.int64()).cast(PARTIAL.arrow.field("window_start").type)
    return PARTIAL.conform(pa.table({**arrays, "window_start": starts, "entity_hash": pa.array(hash_columns(names))}))
