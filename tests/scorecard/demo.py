"""`python -m tests.scorecard demo`: whether the demonstration's planted faults are found in time, for several seeds.

Its lines go through normalise, assemble and measure as in a job, the past within one tick and the present as it arrives, and then through
the votes and rules of score.sql: all but broker, Flink and store. About 20 s of CPU per seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.demo import FAULT_SIGNS, demo_settings
from jobs.generate import Fault, World
from jobs.knobs import Knobs
from jobs.operators.normalise import frames_of
from jobs.operators.partitions import PARTITIONS
from jobs.operators.ticks import TickDriver
from jobs.stages import AssembleStage, MeasureStage, TraceStage
from schemas.event import RAW
from tests.scorecard.verdicts import verdicts
from udfs.normalise import NormaliseSettings, normalise

__all__ = ["TITLE", "found_after", "rows", "world_points"]

TITLE = "Demonstration: seconds from a fault's start to the first verdict that shows it; false verdicts before the first fault"

_START_S = 1_790_000_000
_AHEAD_MS = 980
_CHUNK = 300
_SLACK_S = 10.0


def rows(seeds: int = 5, history_s: float = 75.0) -> list[list[str]]:
    """The table: one row per seed, each at another phase of the 5 s windows."""
    lines: list[list[str]] = []
    for seed in range(1, seeds + 1):
        live_s = float(_START_S + seed % 5)
        points, faults = world_points(seed, live_s, history_s)
        judged = verdicts(points)
        if not lines:
            lines.append(["seed", *(f"{fault.kind} {fault.service}" for fault in faults), "false"])
        after = [found_after(judged, fault, live_s - history_s) for fault in faults]
        before = judged.filter(pl.col("is_anomaly") & (_at_s() + pl.col("width_s") <= live_s - history_s + faults[0].start_s)).height
        lines.append([str(seed), *("missed" if a is None else f"{a:.0f}" for a in after), str(before)])
    return lines


def found_after(judged: pl.DataFrame, fault: Fault, world_s: float) -> float | None:
    """Seconds from the start of a fault to the first point that shows it, as `jobs.demo.find_fault` counts; None = missed."""
    start, end = world_s + fault.start_s, world_s + fault.end_s
    emitted = pl.col("emitted_at").dt.epoch("ms") / 1e3
    mine = (pl.col("entity") == fault.service) | pl.col("entity").str.starts_with(f"{fault.service} ")
    signs = pl.any_horizontal([pl.col("metric").str.starts_with(sign) for sign in FAULT_SIGNS[fault.kind]])
    overlaps = (_at_s() + pl.col("width_s") > start) & (_at_s() < end + _SLACK_S) & (emitted >= start)
    first = judged.filter(pl.col("is_anomaly") & mine & signs & overlaps).select((emitted - start).min()).item()
    return None if first is None else float(first)


def _at_s() -> pl.Expr:
    return pl.col("time").dt.epoch("us") / 1e6


def world_points(seed: int, live_s: float, history_s: float) -> tuple[pa.Table, tuple[Fault, ...]]:
    """Points of one demonstration, and its faults."""
    knobs = Knobs()
    traces = [_driver(TraceStage(knobs, _nowhere), knobs) for _ in range(PARTITIONS)]
    assemble = [_driver(AssembleStage(knobs, _nowhere), knobs) for _ in range(PARTITIONS)]
    measure = [_driver(MeasureStage(knobs, _nowhere), knobs) for _ in range(PARTITIONS)]
    world = World(seed, demo_settings(live_s, history_s))
    out: list[pa.Table] = []
    for raw in _arrivals(world, live_s, history_s):
        for frame in frames_of(normalise(raw, NormaliseSettings()), knobs.pipeline_tick):
            (traces if frame.target in ("traces", "links") else assemble)[frame.partition].add(frame.target, frame.tick_ms, frame.payload)
        now_ms = int(raw.column(4).cast(pa.int64())[-1].as_py())
        watermark = now_ms - 1001
        for tick, o in [each for driver in traces for each in driver.advance(watermark, _forget(driver))]:
            (assemble if o.target == "moved" else measure)[o.partition].add(o.target, tick, o.table)
        for tick, o in [each for driver in assemble for each in driver.advance(watermark, _forget(driver))]:
            if o.target != "dead_letters":
                measure[o.partition].add(o.target, tick, o.table)
        out += [o.table for driver in measure for _, o in driver.advance(watermark, _forget(driver))]
    return pa.concat_tables(out), tuple(world.truth.faults)


def _arrivals(world: World, live_s: float, history_s: float) -> Iterator[pa.Table]:
    """Raw rows: the past at one moment just before the live part, then as they come."""
    offset = 0
    for chunk in world.chunks(None, _CHUNK):
        due = np.asarray(chunk.arrival_ms, np.int64)
        arrival = np.where(due < history_s * 1000, round(live_s * 1000) - _AHEAD_MS, round((live_s - history_s) * 1000) + due)
        n = len(chunk)
        columns = [chunk.lines, pa.repeat("raw", n), pa.repeat(pa.scalar(0, pa.int32()), n), np.arange(offset, offset + n), arrival]
        yield pa.table(columns, schema=RAW.arrow)
        offset += n


def _driver(stage: Any, knobs: Knobs) -> TickDriver:
    return TickDriver(stage, knobs.pipeline_tick, stage.load({}))


def _forget(driver: TickDriver) -> Callable[[int, list[str]], None]:
    return lambda _tick, _names: driver.state.changes() and None


def _nowhere(*_: object) -> None:
    """Events and transactions are not looked at."""
