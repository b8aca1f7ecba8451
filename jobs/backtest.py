"""Backtest: the scoring SQL over CSV files, each point judged by the points before it only."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.knobs import Knobs, read_knobs
from jobs.measure.baseline import BaselineColumns, causal_baselines
from jobs.score.local import local_environment
from jobs.score.mistakes import root_cause
from jobs.score.series_csv import SeriesFile, read_series, write_verdicts
from jobs.score.sql import build_scores, read_sql, set_models
from jobs.score.wire import points_to_json_lines
from schemas.errors import AnomasecError
from schemas.framing import from_payload
from schemas.point import POINT, SCORE
from udfs.scorers.forest_model import load_current

__all__ = ["BacktestSummary", "backtest", "points_of", "score_files"]

_ROWS_PER_FILE = 100_000
_VERDICTS = ("score", "surprise", "expected", "lower", "upper", "is_anomaly", "reason")


@dataclass(frozen=True)
class BacktestSummary:
    """What a backtest did."""

    files: int
    series: int
    rows: int
    anomalies: int


def backtest(
    source: Path, out: Path, sql_dir: Path, models: Path | None = None, progress: Callable[[str], None] | None = None
) -> BacktestSummary:
    """Score a CSV file into a CSV file, or a folder of them into a folder, with one start of Flink.

    Parameters
    ----------
    source, out
        Two files or two folders. `out` is overwritten; its folder is made when absent.
    sql_dir
        Folder that holds `flink/`.
    models
        Folder of trained models; None = no forest.
    progress
        Is told, in words, what is being done.

    Raises
    ------
    AnomasecError
        Nothing to read, or a row that cannot be read (file and line).
    SqlError
        A mistake in the SQL.

    Notes
    -----
    Cost: about 15 s to start Flink, then about 60 CPU-microseconds a row, on up to two cores.
    """
    tell = progress or (lambda _: None)
    pairs = _pairs(source, out)
    knobs = read_knobs(Path(sql_dir) / "flink" / "knobs.sql")
    folder = Path(tempfile.mkdtemp(prefix="anomasec-backtest-"))
    try:
        tell(f"reading {len(pairs)} file{'s' if len(pairs) > 1 else ''}")
        files = _prepare([path for path, _ in pairs], folder, knobs)
        rows = sum(file.rows for file in files)
        tell(f"scoring {rows:,} points")
        scores = score_files(folder, sql_dir, rows, models) if rows else SCORE.empty()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell("writing")
    verdicts = _by_row(scores, rows)
    start = 0
    for file, (_, target) in zip(files, pairs, strict=True):
        write_verdicts(file, verdicts.slice(start, file.rows), target)
        start += file.rows
    return BacktestSummary(len(files), sum(len(f.series()) for f in files if f.rows), rows, int(verdicts["is_anomaly"].sum() or 0))


def points_of(file: SeriesFile, first_row: int, knobs: Knobs) -> pa.Table:
    """Points of one file with their baselines, in file order.

    Schema `POINT.arrow`. `revision` holds the number of the row within the backtest (from `first_row`): the one column that SQL
    carries through untouched, and by which the verdicts find their rows again, since times and names may repeat.
    """
    known = BaselineColumns.unknown(file.rows)
    for rows in file.series():
        baselines = causal_baselines(file.time_us[rows], file.value[rows], knobs.measure_history)
        for name, column in vars(baselines).items():
            getattr(known, name)[rows] = column
    given = {
        "time": pa.array(file.time_us).cast(pa.timestamp("us", tz="UTC")),
        "environment": _constant("", file.rows),
        "entity_kind": _constant("metric", file.rows),
        "entity": file.column("entity", file.path.stem).to_arrow().cast(pa.string()),
        "metric": file.column("metric", "value").to_arrow().cast(pa.string()),
        "width_s": pa.array(np.zeros(file.rows, dtype=np.int32)),
        "value": pa.array(file.value, from_pandas=True),
        "weight": pa.nulls(file.rows, pa.float64()),
        **{name: pa.array(column, from_pandas=True) for name, column in vars(known).items()},
        "revision": pa.array(np.arange(first_row, first_row + file.rows)),
        "source": _constant("csv", file.rows),
        "emitted_at": pa.array(file.time_us // 1000).cast(pa.timestamp("ms", tz="UTC")),
    }
    return POINT.conform(pa.table(given))


def score_files(folder: Path, sql_dir: Path, rows: int, models: Path | None = None, parallelism: int = 2) -> pa.Table:
    """Run the scoring SQL over a folder of point files in a mini cluster; SCORE rows in no particular order.

    Raises
    ------
    SqlError
        A mistake in the SQL, with file, line and column.
    """
    t_env = local_environment(parallelism if rows > _ROWS_PER_FILE else 1)
    if models is not None:
        load_current(models)  # a damaged model is told now, not by a worker
        set_models(t_env, models)
    table = build_scores(t_env, read_sql(sql_dir, {"path": str(folder)}, bounded=True))
    said = io.StringIO()
    try:
        # workers of a mini cluster are threads of this process and print their tracebacks: kept, to be told in one line
        with nullcontext() if os.environ.get("ANOMASEC_DEBUG") else redirect_stderr(said), table.execute().collect() as payloads:
            parts = [from_payload(bytes(row[0])) for row in payloads]
    except Exception as error:  # whatever failed in a worker comes as one class of py4j's, under a page of Java
        cause = root_cause(f"{error}\n{said.getvalue()}")
        raise AnomasecError(
            f"the scoring job failed: {cause}", "check the functions that score.sql calls; ANOMASEC_DEBUG=1 shows all that the workers say"
        ) from None
    return pa.concat_tables(parts) if parts else SCORE.empty()


def _pairs(source: Path, out: Path) -> list[tuple[Path, Path]]:
    if not source.is_dir():
        if out.is_dir():
            return [(source, out / source.name)]
        return [(source, out)]
    if out.is_file():
        raise AnomasecError(f"{source} is a folder, {out} a file", "name a folder by --out")
    paths = sorted(path for path in source.iterdir() if path.suffix.lower() == ".csv" and path.is_file())
    if not paths:
        raise AnomasecError(f"no CSV files in {source}", "name a folder with files *.csv")
    return [(path, out / path.name) for path in paths]


def _prepare(paths: Sequence[Path], folder: Path, knobs: Knobs) -> list[SeriesFile]:
    """Read the files and write their points to the folder, on all cores."""
    files = [read_series(path) for path in paths]
    starts = np.concatenate([[0], np.cumsum([file.rows for file in files])]).tolist()
    jobs = [(file, start, knobs, folder) for file, start in zip(files, starts, strict=False) if file.rows]
    workers = min(len(jobs), os.cpu_count() or 1)
    if workers > 1 and starts[-1] > _ROWS_PER_FILE:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(_write_points, *zip(*jobs, strict=True)))
    else:
        for job in jobs:
            _write_points(*job)
    return files


def _write_points(file: SeriesFile, first_row: int, knobs: Knobs, folder: Path) -> None:
    points = points_of(file, first_row, knobs)
    for start in range(0, points.num_rows, _ROWS_PER_FILE):
        # several files, so that several readers can share them
        with (folder / f"{first_row + start:012d}.json").open("wb") as target:
            target.writelines(_lines(points.slice(start, _ROWS_PER_FILE)))


def _lines(points: pa.Table) -> Iterator[bytes]:
    for line in points_to_json_lines(points):
        yield line + b"\n"


def _by_row(scores: pa.Table, rows: int) -> pl.DataFrame:
    """One verdict per row, in row order; null where the SQL dropped the row."""
    frame = pl.DataFrame(pl.from_arrow(scores.select(["revision", *_VERDICTS])))
    frame = frame.unique("revision", keep="last")
    numbers = pl.DataFrame({"revision": pl.Series(np.arange(rows), dtype=pl.Int64)})
    return (
        numbers.join(frame, on="revision", how="left", maintain_order="left")
        .select(_VERDICTS)
        .with_columns(pl.col("is_anomaly").fill_null(False), pl.col("reason").replace("", None))
    )


def _constant(word: str, rows: int) -> pa.Array:
    return pa.array([word], pa.string()).take(pa.array(np.zeros(rows, dtype=np.int64)))
