"""Each stage alone, in one process: CPU seconds per million lines, by the core's own functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from jobs.generate.world import World, WorldSettings
from jobs.knobs import Knobs
from jobs.operators.normalise import frames_of
from jobs.operators.partitions import PARTITIONS
from jobs.operators.ticks import TickDriver
from jobs.stages import AssembleStage, MeasureStage, TraceStage
from schemas.event import RAW
from schemas.framing import from_payload, to_payload
from schemas.record import Record
from udfs.normalise import NormaliseSettings, normalise

__all__ = ["measure_stages"]

_BATCH = 10_000


def measure_stages(lines: int, lines_per_s: int = 60_000) -> dict[str, float]:
    """Run `lines` generated lines through the cores at a broker clock of `lines_per_s`; stage -> CPU seconds per million lines."""
    pa.set_cpu_count(1)
    used: dict[str, float] = {}

    @contextmanager
    def clock(stage: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        used[stage] = used.get(stage, 0.0) + time.process_time() - begin

    knobs = Knobs()
    rows: dict[str, int] = {}

    def count(record: Record, table: pa.Table) -> None:
        rows[record.name] = rows.get(record.name, 0) + table.num_rows

    traces = [_driver(TraceStage(knobs, count), knobs) for _ in range(PARTITIONS)]
    assemble = [_driver(AssembleStage(knobs, count), knobs) for _ in range(PARTITIONS)]
    measure = [_driver(MeasureStage(knobs, count), knobs) for _ in range(PARTITIONS)]
    settings = NormaliseSettings()
    for number, raw in enumerate(_batches(lines, lines_per_s)):
        with clock("normalise"):
            out = normalise(raw, settings)
        with clock("frames"):
            frames = frames_of(out, knobs.pipeline_tick)
        for frame in frames:
            (traces if frame.target in ("traces", "links") else assemble)[frame.partition].add(frame.target, frame.tick_ms, frame.payload)
        watermark = (number + 1) * _BATCH * 1000 // lines_per_s - 1001
        passed = []
        with clock("assemble and combine"):
            for driver in traces:
                passed += [(tick, o) for tick, o in driver.advance(watermark, _persist(driver))]
            for tick, o in [each for each in passed if each[1].target == "moved"]:
                assemble[o.partition].add(o.target, tick, o.table)
            passed = [each for each in passed if each[1].target != "moved"]
            for driver in assemble:
                passed += [(tick, o) for tick, o in driver.advance(watermark, _persist(driver))]
        with clock("frames"):
            passed_on = [(tick, o.target, o.partition, from_payload(to_payload(o.table))) for tick, o in passed]
        for tick, target, partition, table in passed_on:
            if target != "dead_letters":
                measure[partition].add(target, tick, table)
        with clock("measure"):
            for driver in measure:
                for _ in driver.advance(watermark, _persist(driver)):
                    pass
    return {stage: seconds / lines * 1e6 for stage, seconds in used.items()}


def _batches(lines: int, lines_per_s: int) -> Iterator[pa.Table]:
    offset = 0
    for chunk in World(11, WorldSettings(lines_per_s=lines_per_s)).chunks(lines, _BATCH):
        n = len(chunk)
        offsets = np.arange(offset, offset + n, dtype=np.int64)
        yield pa.table(
            [chunk.lines, pa.repeat("raw", n), pa.repeat(pa.scalar(0, pa.int32()), n), offsets, offsets * 1000 // lines_per_s],
            schema=RAW.arrow,
        )
        offset += n


def _driver(stage: AssembleStage | MeasureStage | TraceStage, knobs: Knobs) -> TickDriver:
    return TickDriver(stage, knobs.pipeline_tick, stage.load({}))


def _persist(driver: TickDriver) -> Callable[[int, list[str]], None]:
    return lambda _tick, _names: driver.state.changes() and None
