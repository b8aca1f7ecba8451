"""Bytes for docs/capacity.md: lines, Kafka batches, and what assemble keeps. `python -m tests.bench.sizes`."""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.generate.batches import encode_batch
from jobs.generate.world import World, WorldSettings
from jobs.knobs import Knobs
from jobs.operators.normalise import frames_of
from jobs.operators.partitions import PARTITIONS
from jobs.operators.ticks import TickDriver
from jobs.stages import AssembleStage
from schemas.event import RAW
from udfs.normalise import NormaliseSettings, normalise

__all__ = ["kafka_bytes", "line_bytes", "state_bytes"]

_BATCH = 10_000
_ARRIVAL_MS = 900  # in the first tick, and too late in it to be closed with it
_CLOSED_AFTER_MS = 400_000


def line_bytes(lines: pa.Array) -> float:
    """Mean length of a line."""
    return float(pc.mean(pc.binary_length(lines)).as_py())


def kafka_bytes(lines: pa.Array, lines_per_message: int) -> float:
    """Bytes per line as the broker keeps and sends them: record batches of 1,000 messages."""
    messages = lines
    if lines_per_message > 1:
        edges = np.append(np.arange(0, len(lines), lines_per_message), len(lines)).astype(np.int32)
        messages = pc.binary_join(pa.ListArray.from_arrays(pa.array(edges), lines), pa.scalar(b"\n", pa.binary()))
    total = sum(len(encode_batch(messages[at : at + 1000], 0, 1, 0, at)) for at in range(0, len(messages), 1000))
    return total / len(lines)


def state_bytes(lines: pa.Array) -> dict[str, float]:
    """Bytes of checkpointed state per transaction: while all are open, and once all are closed but can still be amended."""
    knobs = Knobs()
    stage = AssembleStage(knobs, lambda record, table: None)
    drivers = [TickDriver(stage, knobs.pipeline_tick, stage.load({})) for _ in range(PARTITIONS)]
    kept: list[dict[str, int]] = [{} for _ in drivers]
    ids: set[bytes] = set()
    for at in range(0, len(lines), _BATCH):
        part = lines[at : at + _BATCH]
        size = len(part)
        offsets = np.arange(at, at + size, dtype=np.int64)
        raw = pa.table(
            [part, pa.repeat("raw", size), pa.repeat(pa.scalar(0, pa.int32()), size), offsets, np.full(size, _ARRIVAL_MS)], schema=RAW.arrow
        )
        out = normalise(raw, NormaliseSettings())
        ids.update(out.events["transaction_id"].to_pylist())
        for frame in frames_of(out, knobs.pipeline_tick):
            if frame.target == "events":
                drivers[frame.partition].add(frame.target, frame.tick_ms, frame.payload)
    sizes = {}
    for name, until in (("open", 1_000), ("closed, within the late horizon", _CLOSED_AFTER_MS)):
        for driver, segments in zip(drivers, kept, strict=True):

            def persist(_tick: int, _names: list[str], driver: TickDriver = driver, segments: dict[str, int] = segments) -> None:
                for segment, blob in driver.state.changes().items():
                    segments[segment] = len(blob or b"")

            for _ in driver.advance(until, persist):
                pass
        sizes[name] = sum(sum(segments.values()) for segments in kept) / len(ids)
    return sizes


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(prog="tests.bench.sizes", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    arguments = parser.parse_args()
    world = World(11, WorldSettings(lines_per_s=60_000, late=0.0))
    lines = pa.concat_arrays([chunk.lines for chunk in world.chunks(arguments.lines)])
    print(f"{len(lines):,} JSON lines, {len(lines) / world.truth.transactions:.2f} per transaction")
    print(f"  line                                   {line_bytes(lines):8.0f} B")
    for number in (1, 100):
        print(f"  in Kafka (batches of 1,000 messages), {number:>3} a message {kafka_bytes(lines, number):8.0f} B a line")
    for name, size in state_bytes(lines).items():
        print(f"  state of a transaction, {name}: {size:,.0f} B")


if __name__ == "__main__":
    main()
