"""Runs all stages over files: ticks through assemble and measure, then the scoring SQL, then correlate."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.assemble.links import links_of, split_traces
from jobs.config import Config
from jobs.knobs import Knobs
from jobs.operators.scores import scores_by_tick
from jobs.operators.ticks import TickDriver
from jobs.replay.arrivals import ticks_of
from jobs.replay.files import Source
from jobs.score.wire import points_to_json_lines
from jobs.stages import AssembleStage, CorrelateStage, MeasureStage, TraceStage, normalise_settings
from schemas.event import EVENT
from schemas.framing import concat, from_payload
from schemas.record import Record
from schemas.transaction import MERGE
from udfs.normalise import NormaliseSettings

__all__ = ["ReplaySummary", "replay"]

_ROWS_PER_INSERT = 50_000
_FOREVER_MS = 1 << 60


@dataclass
class ReplaySummary:
    """What was read and what came of it."""

    lines: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written by record name; amended rows count each time."""


class _Coalesced:
    """A writer that gathers the small tables of many ticks into large inserts."""

    def __init__(self, insert: Callable[[Record, pa.Table], object], summary: ReplaySummary) -> None:
        self._insert, self._summary = insert, summary
        self._waiting: dict[str, tuple[Record, list[pa.Table]]] = {}

    def __call__(self, record: Record, table: pa.Table) -> None:
        if record is not MERGE:
            self._summary.rows[record.name] += table.num_rows
        _, tables = self._waiting.setdefault(record.name, (record, []))
        tables.append(table)
        if sum(t.num_rows for t in tables) >= _ROWS_PER_INSERT:
            self._flush(record.name)

    def flush(self) -> None:
        while self._waiting:
            self._flush(next(iter(self._waiting)))

    def _flush(self, name: str) -> None:
        if name == MERGE.name and EVENT.name in self._waiting:
            self._flush(EVENT.name)  # a merge rewrites events that are in the store
        record, tables = self._waiting.pop(name)
        self._insert(record, concat(tables, record.arrow))


def replay(
    sources: list[Source],
    config: Config,
    knobs: Knobs,
    insert: Callable[[Record, pa.Table], object],
    on_progress: Callable[[str, int, int], None],
    score: bool = True,
) -> ReplaySummary:
    """Run the stages over the sources.

    Parameters
    ----------
    insert
        Puts rows into the store.
    on_progress
        Called with (phase, lines, bytes on disk) as work goes on; phases: read, score.
    score
        False leaves out score and correlate, and with them the start of Flink (about 20 s).
    """
    summary = ReplaySummary()
    write = _Coalesced(insert, summary)

    def on_lines(lines: int, read_bytes: int) -> None:
        summary.lines += lines
        on_progress("read", lines, read_bytes)

    spool = Path(tempfile.mkdtemp(prefix="anomasec-replay-"))
    try:
        with _PointsFile(spool) as points:
            _run_ticks(sources, knobs, normalise_settings(knobs, config.sql_dir), write, points, on_lines)
        write.flush()
        if score and points.rows:
            on_progress("score", points.rows, 0)
            _run_scores(_score(config, spool), knobs, write)
            write.flush()
    finally:
        shutil.rmtree(spool, ignore_errors=True)
    return summary


def _run_ticks(
    sources: list[Source],
    knobs: Knobs,
    settings: NormaliseSettings,
    write: _Coalesced,
    points: _PointsFile,
    on_lines: Callable[[int, int], None],
) -> None:
    traces = _driver(TraceStage(knobs, write, partitions=1), knobs)
    assemble = _driver(AssembleStage(knobs, write, partitions=1), knobs)
    measure = _driver(MeasureStage(knobs, write), knobs)
    for end_ms, rows in ticks_of(sources, settings, knobs.pipeline_tick, on_lines):
        for table in rows.pop("events"):
            alone, events = split_traces(table)
            for target, part in (("traces", alone), ("links", links_of(events))):
                if part.num_rows:
                    traces.add(target, end_ms, part)
            assemble.add("events", end_ms, events)
        for target, tables in rows.items():
            for table in tables:
                assemble.add(target, end_ms, table)
        _advance(traces, assemble, measure, points, end_ms - 1)
    measure.state.finish()  # the input has ended: from now on missing requests are no silence
    _advance(traces, assemble, measure, points, _FOREVER_MS)


def _advance(traces: TickDriver, assemble: TickDriver, measure: TickDriver, points: _PointsFile, watermark_ms: int) -> None:
    for tick, output in traces.advance(watermark_ms, _forget(traces)):
        (assemble if output.target == "moved" else measure).add(output.target, tick, output.table)
    for tick, output in assemble.advance(watermark_ms, _forget(assemble)):
        if output.target in ("partials", "metric_points"):
            measure.add(output.target, tick, output.table)
    for _, output in measure.advance(watermark_ms, _forget(measure)):
        points.write(output.table)


def _run_scores(payloads: Iterator[bytes], knobs: Knobs, write: _Coalesced) -> None:
    correlate = _driver(CorrelateStage(knobs, write), knobs)
    for payload in payloads:  # all of them, before the clock starts: files are read in no particular order
        for tick, rows in scores_by_tick(from_payload(payload), knobs.pipeline_tick):
            correlate.add("scores", tick, rows)
    for _ in correlate.advance(_FOREVER_MS, _forget(correlate)):
        pass


def _score(config: Config, spool: Path) -> Iterator[bytes]:
    from jobs.score.local import local_environment
    from jobs.score.sql import score_payloads

    t_env = local_environment(parallelism=2)
    with score_payloads(t_env, config, bounded_path=spool).execute().collect() as rows:
        for row in rows:
            yield row[0]


def _driver(stage: Any, knobs: Knobs) -> TickDriver:
    return TickDriver(stage, knobs.pipeline_tick, stage.load({}))


def _forget(driver: TickDriver) -> Callable[[int, list[str]], None]:
    """A bounded run that dies is run again: nothing to persist, but changes must not pile up."""
    return lambda _tick, _names: driver.state.changes() and None


class _PointsFile:
    """Points in the form the scoring SQL reads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "points.json"
        self.rows = 0

    def __enter__(self) -> _PointsFile:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, points: pa.Table) -> None:
        for line in points_to_json_lines(points):
            self._file.write(line + b"\n")
        self.rows += points.num_rows
