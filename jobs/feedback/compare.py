"""What another folder of SQL would have said of the stored points: new, gone and moved verdicts, and pages."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.backtest import score_files
from jobs.knobs import Knobs, read_knobs
from jobs.operators.scores import scores_by_tick
from jobs.operators.ticks import TickDriver
from jobs.score.wire import points_to_json_lines
from jobs.stages import CorrelateStage
from schemas.errors import AnomasecError
from schemas.point import POINT
from schemas.record import Record

__all__ = ["Comparison", "Judged", "compare", "difference", "judge"]

_ROWS_PER_FILE = 100_000
_SCORING = ("functions.sql", "score.sql")
_FOREVER_MS = 1 << 62
_MOVED = 1.0
"""A score that differs by less is the same verdict."""


@dataclass(frozen=True)
class Judged:
    """Verdicts of one folder of SQL over the stored points."""

    anomalies: dict[str, dict[str, Any]]
    """By id; the last state."""
    pages: dict[str, dict[str, Any]]
    """Incidents that paged, by id."""
    incidents: int


@dataclass(frozen=True)
class Comparison:
    """Old against new."""

    points: int
    old: Judged
    new: Judged
    appeared: list[dict[str, Any]]
    gone: list[dict[str, Any]]
    moved: list[tuple[dict[str, Any], dict[str, Any]]]

    def by_metric(self) -> list[tuple[str, int, int, int]]:
        """(metric, new, gone, moved), most changes first."""
        new, gone = Counter(row["metric"] for row in self.appeared), Counter(row["metric"] for row in self.gone)
        moved = Counter(row["metric"] for row, _ in self.moved)
        metrics = sorted({*new, *gone, *moved}, key=lambda metric: (-(new[metric] + gone[metric]), metric))
        return [(metric, new[metric], gone[metric], moved[metric]) for metric in metrics]


def compare(
    client: Any,
    old_sql: Path,
    new_sql: Path,
    since: datetime | None,
    models: Path | None,
    progress: Callable[[str], None],
    score: Callable[[Path, Path, int, Path | None], pa.Table] = score_files,
) -> Comparison:
    """Score the stored points with both folders and correlate both, from a fresh state each.

    Raises
    ------
    AnomasecError
        No points since then, or a mistake in the SQL.

    Notes
    -----
    Cost: 15 s to start Flink, then about 0.1 ms a point and folder.
    """
    points = _points(client, since)
    if not points.num_rows:
        raise AnomasecError("there are no stored points to compare on", "give an earlier --since, or another --store")
    folder = Path(tempfile.mkdtemp(prefix="anomasec-compare-"))
    try:
        for number, start in enumerate(range(0, points.num_rows, _ROWS_PER_FILE)):
            with (folder / f"points-{number:05d}.json").open("wb") as file:
                for line in points_to_json_lines(points.slice(start, _ROWS_PER_FILE)):
                    file.write(line + b"\n")
        judged = []
        scores: dict[str, pa.Table] = {}
        for sql_dir in (old_sql, new_sql):
            text = "".join((sql_dir / "flink" / name).read_text() for name in _SCORING)
            if text not in scores:  # other knobs or budgets alone change no score
                progress(f"scoring {points.num_rows:,} points with {sql_dir}")
                scores[text] = score(folder, sql_dir, points.num_rows, models)
            judged.append(judge(scores[text], read_knobs(sql_dir / "flink" / "knobs.sql")))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return difference(points.num_rows, *judged)


def judge(scores: pa.Table, knobs: Knobs) -> Judged:
    """Correlate the scores as the job would."""
    held: dict[str, dict[str, dict[str, Any]]] = {"anomalies": {}, "incidents": {}}

    def write(record: Record, table: pa.Table) -> None:
        if record.name in held:
            held[record.name] |= {row[record.identity[0]]: row for row in table.to_pylist()}

    stage = CorrelateStage(knobs, write)
    driver = TickDriver(stage, knobs.pipeline_tick, stage.load({}))
    for tick, rows in scores_by_tick(scores, knobs.pipeline_tick):
        driver.add("scores", tick, rows)
    for _ in driver.advance(_FOREVER_MS, lambda _tick, _names: driver.state.changes() and None):
        pass
    told = {name: row for name, row in held["incidents"].items() if row["status"] != "merged"}
    anomalies = {name: row for name, row in held["anomalies"].items() if row["is_anomaly"]}
    return Judged(anomalies, {name: row for name, row in told.items() if row["is_page"]}, len(told))


def difference(points: int, old: Judged, new: Judged) -> Comparison:
    """New, gone and moved anomalies, strongest first."""

    def strongest(row: dict[str, Any]) -> tuple[float, str]:
        return -(row["score"] or 0.0), row["anomaly_id"]

    appeared = sorted((row for name, row in new.anomalies.items() if name not in old.anomalies), key=strongest)
    gone = sorted((row for name, row in old.anomalies.items() if name not in new.anomalies), key=strongest)
    both = [(row, new.anomalies[name]) for name, row in old.anomalies.items() if name in new.anomalies]
    moved = [(a, b) for a, b in both if abs((a["score"] or 0.0) - (b["score"] or 0.0)) >= _MOVED]
    return Comparison(points, old, new, appeared, gone, sorted(moved, key=lambda pair: strongest(pair[0])))


def _points(client: Any, since: datetime | None) -> pa.Table:
    columns = ", ".join(POINT.names)
    since_us = int(since.timestamp() * 1_000_000) if since else 0
    table = client.query_arrow(
        f"SELECT {columns} FROM points WHERE time >= fromUnixTimestamp64Micro({{since:Int64}}) ORDER BY emitted_at, time",
        parameters={"since": since_us},
    )
    return POINT.conform(table)
