"""The stateful stages as the operator and the in-process runner call them: a pure core, and what it writes where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.assemble import AssembleOut, AssembleState
from jobs.assemble import on_batch as assemble
from jobs.assemble.links import MOVED
from jobs.context import read_context
from jobs.correlate import CorrelateState
from jobs.correlate import on_batch as correlate
from jobs.correlate.pages import drop_overridden
from jobs.knobs import Knobs
from jobs.measure import MeasureState, combine
from jobs.measure import on_batch as measure
from jobs.operators.partitions import PARTITIONS, split_by_partition
from jobs.operators.stage import Output
from jobs.sinks.concurrent import settle
from jobs.version import installed_version
from schemas.change import CHANGE
from schemas.event import DEAD_LETTER, EVENT, METRIC_POINT
from schemas.framing import concat
from schemas.partial import PARTIAL
from schemas.point import ANOMALY, BUDGET, INCIDENT, POINT, SCORE
from schemas.record import Record
from schemas.transaction import LINK, MERGE, TRANSACTION
from udfs.formats.user_format import UserFormat
from udfs.normalise import NormaliseSettings

__all__ = ["AssembleStage", "CorrelateStage", "MeasureStage", "TraceStage", "Writer", "normalise_settings", "user_formats"]

Writer = Callable[[Record, pa.Table], object]
"""Puts rows into the store, idempotently; raises when it cannot. May give back a `Future` instead: `settle` waits for it."""


def normalise_settings(knobs: Knobs, sql_dir: Path | None = None) -> NormaliseSettings:
    """Settings of normalise from the knobs and the formats in `sql_dir`, with the version that dead letters carry."""
    return NormaliseSettings(
        field_mapping=dict(knobs.normalise_field_mapping),
        formats=user_formats(sql_dir) if sql_dir else (),
        topic_formats=dict(knobs.normalise_topic_formats),
        joins_by=dict(knobs.normalise_joins_by),
        context=read_context(knobs, sql_dir),
        job_version=installed_version(),
    )


def user_formats(sql_dir: Path) -> tuple[UserFormat, ...]:
    """The formats of the user's own in `sql_dir/flink/formats`.

    Raises
    ------
    SqlError
        A mistake in one, with file, line and column.
    """
    folder = Path(sql_dir) / "flink" / "formats"
    if not any(folder.glob("*.sql")):
        return ()
    from udfs.formats.user_sql import read_formats

    return read_formats(folder)


class TraceStage:
    """Events that have only a trace ID in: assembled, or sent on to the request that owns the trace; see jobs/assemble/links.py."""

    def __init__(self, knobs: Knobs, write: Writer, partitions: int = PARTITIONS) -> None:
        self._knobs, self._write, self._partitions = knobs, write, partitions

    def load(self, segments: Mapping[str, bytes]) -> AssembleState:
        """State from its segments."""
        return AssembleState.load(segments, self._knobs)

    def on_tick(self, state: AssembleState, inputs: Mapping[str, list[pa.Table]], now_ms: int) -> tuple[AssembleState, Iterable[Output]]:
        """One tick of events and links."""
        links = concat(inputs.get("links", ()), LINK.arrow)
        state, out = assemble(state, concat(inputs.get("traces", ()), EVENT.arrow), now_ms, links=links)
        begun = _begin(self._write, (EVENT, out.events), (TRANSACTION, out.transactions))
        moved = split_by_partition(out.moved, "transaction_hash", self._partitions)
        outputs = [*_partials(out, self._knobs, self._partitions), *(Output("moved", *part) for part in moved)]
        settle(begun)
        settle(_begin(self._write, (MERGE, out.merges)))  # rewrites events, so these must be there
        return state, outputs


class AssembleStage:
    """Events in; events with their transaction and transactions to the store, partial windows on to measure."""

    def __init__(self, knobs: Knobs, write: Writer, partitions: int = PARTITIONS) -> None:
        self._knobs, self._write, self._partitions = knobs, write, partitions

    def load(self, segments: Mapping[str, bytes]) -> AssembleState:
        """State from its segments."""
        return AssembleState.load(segments, self._knobs)

    def on_tick(self, state: AssembleState, inputs: Mapping[str, list[pa.Table]], now_ms: int) -> tuple[AssembleState, Iterable[Output]]:
        """One tick of events, rows of traces that requests own, metric points and dead letters."""
        moved = concat(inputs.get("moved", ()), MOVED)
        state, out = assemble(state, concat(inputs.get("events", ()), EVENT.arrow), now_ms, moved=moved)
        dead_letters = concat(inputs.get("dead_letters", ()), DEAD_LETTER.arrow)
        changes = concat(inputs.get("changes", ()), CHANGE.arrow)
        begun = _begin(self._write, (EVENT, out.events), (TRANSACTION, out.transactions), (DEAD_LETTER, dead_letters), (CHANGE, changes))
        outputs = _partials(out, self._knobs, self._partitions)
        metric_points = concat(inputs.get("metric_points", ()), METRIC_POINT.arrow)
        outputs += [
            Output("metric_points", partition, rows)
            for partition, rows in split_by_partition(metric_points, "entity_hash", self._partitions)
        ]
        if dead_letters.num_rows:
            outputs.append(Output("dead_letters", 0, dead_letters))
        if changes.num_rows:
            outputs.append(Output("changes", 0, changes))
        settle(begun)
        return state, outputs


def _begin(write: Writer, *rows: tuple[Record, pa.Table]) -> list[object]:
    """Begin to write what there is, so that the store works while the tick is counted."""
    return [write(record, table) for record, table in rows if table.num_rows]


def _partials(out: AssembleOut, knobs: Knobs, partitions: int) -> list[Output]:
    """What a tick's events and transactions add to the windows."""
    if not out.events.num_rows and not out.transactions.num_rows:
        return []
    parts = split_by_partition(combine(out.events, out.transactions, knobs), "entity_hash", partitions)
    return [Output("partials", partition, rows) for partition, rows in parts]


class MeasureStage:
    """Partial windows and ready-made metric points in; points with their baselines to the store and on to score."""

    def __init__(self, knobs: Knobs, write: Writer) -> None:
        self._knobs, self._write = knobs, write

    def load(self, segments: Mapping[str, bytes]) -> MeasureState:
        """State from its segments."""
        return MeasureState.load(segments, self._knobs)

    def on_tick(self, state: MeasureState, inputs: Mapping[str, list[pa.Table]], now_ms: int) -> tuple[MeasureState, Iterable[Output]]:
        """One tick of partial windows and metric points."""
        partials = concat(inputs.get("partials", ()), PARTIAL.arrow)
        metric_points = concat(inputs.get("metric_points", ()), METRIC_POINT.arrow)
        state, out = measure(state, partials, metric_points, now_ms)
        if not out.points.num_rows:
            return state, []
        settle(_begin(self._write, (POINT, out.points)))
        return state, [Output("points", 0, out.points)]


class CorrelateStage:
    """Scores in; scores, anomalies and incidents to the store, the latter two on to Kafka."""

    def __init__(self, knobs: Knobs, write: Writer) -> None:
        self._knobs, self._write = knobs, write

    def load(self, segments: Mapping[str, bytes]) -> CorrelateState:
        """State from its segments."""
        return CorrelateState.load(segments, self._knobs)

    def on_tick(self, state: CorrelateState, inputs: Mapping[str, list[pa.Table]], now_ms: int) -> tuple[CorrelateState, Iterable[Output]]:
        """One tick of scores."""
        scores = drop_overridden(concat(inputs.get("scores", ()), SCORE.arrow), self._knobs)
        state, out = correlate(state, scores, now_ms, _calls(scores))
        outputs = []
        settle(_begin(self._write, (SCORE, out.scores), (ANOMALY, out.anomalies), (INCIDENT, out.incidents), (BUDGET, out.budget)))
        for target, table in (("anomalies", out.anomalies), ("incidents", out.incidents)):
            if table.num_rows:
                outputs.append(Output(target, 0, table))
        return state, outputs


def _calls(scores: pa.Table) -> set[tuple[str, str]]:
    """Edges of the service graph, which measure tells as entities of the kind `call`."""
    edges = scores.filter(pc.equal(scores.column("entity_kind"), "call")).column("entity").unique().to_pylist()
    return {(caller, callee) for caller, found, callee in (edge.partition(">") for edge in edges) if found}
