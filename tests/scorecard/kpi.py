"""`python -m tests.scorecard.kpi`: VUS-PR on real, labelled series, ours beside other detectors, and false alarms per week.

Ours is `anomasec backtest` over the series as CSV files, with the SQL as it stands: its columns `score` and `surprise`. All judge the
whole series in order of time, each point by those before it; only the second half counts. What was computed for the same code and data
is kept under build/scorecard.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.scorecard import vus
from tests.scorecard.__main__ import table
from tests.scorecard.rivals import RIVALS
from tests.scorecard.vus import period_of, vus_pr

__all__ = ["TITLE", "Series", "false_alarms", "main", "read_folder", "rows"]

TITLE = "Detection on real, labelled KPI series: VUS-PR of ours and others, false alarms per series and week"

_ROOT = Path(__file__).parents[2]
_DATA = _ROOT.parent / "shared" / "tuning" / "kpi"
_CACHE = _ROOT / "build" / "scorecard"
_OURS = ("surprise", "score")
_GRACE = 10
"""Points around a marked segment in which an alarm is no false one; alarms closer than this are one."""


class Series:
    """One labelled series."""

    def __init__(self, path: Path) -> None:
        frame = pl.read_parquet(path)
        self.name = path.stem
        self.time_s = frame["time"].dt.epoch("s").to_numpy()
        self.value = frame["value"].to_numpy().astype(np.float64)
        self.label = frame["label"].to_numpy() > 0
        self.judged = (frame["split"].cast(pl.String) == "test").to_numpy()
        self.step_s = int(np.median(np.diff(self.time_s)))
        self.period = period_of(self.value[self.judged])

    def vus_pr(self, score: NDArray[Any]) -> float:
        """Of the second half; no verdict counts as the lowest."""
        known = np.nan_to_num(score[self.judged], nan=-1e300, posinf=1e300)
        return vus_pr(self.label[self.judged], known, self.period)

    def found(self, is_anomaly: NDArray[Any]) -> float:
        """Share of the marked segments of the second half with an alarm in them, or within 10 points after."""
        label = self.label[self.judged]
        edges = np.diff(np.concatenate([[0], label.astype(np.int8), [0]]))
        alarms = np.concatenate([[0], np.cumsum(is_anomaly[self.judged])])
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        return float(np.mean(alarms[np.minimum(ends + _GRACE, len(label))] > alarms[starts]))

    def false_alarms_per_week(self, is_anomaly: NDArray[Any]) -> float:
        """Of the second half."""
        weeks = self.judged.sum() * self.step_s / 604_800
        return float(false_alarms(is_anomaly[self.judged], self.label[self.judged]) / weeks)


def false_alarms(is_anomaly: NDArray[Any], label: NDArray[Any]) -> int:
    """Alarms (runs of anomalous points, those less than 10 points apart joined) that lie 10 points or more from all that is marked."""
    at = np.flatnonzero(is_anomaly)
    if not len(at):
        return 0
    firsts = at[np.concatenate([[True], np.diff(at) > _GRACE])]
    lasts = at[np.concatenate([np.diff(at) > _GRACE, [True]])]
    marked = np.concatenate([[0], np.cumsum(label)])
    low, high = np.maximum(firsts - _GRACE, 0), np.minimum(lasts + _GRACE + 1, len(label))
    return int((marked[high] == marked[low]).sum())


def read_folder(folder: Path = _DATA) -> list[Series]:
    """All series of a folder."""
    return [Series(path) for path in sorted(folder.glob("*.parquet"))]


def rows(series: Sequence[Series] | None = None, cache: Path = _CACHE) -> list[list[str]]:
    """VUS-PR of each detector on the second half of each series and in the mean, and what is_anomaly says there; [] without data.

    What is not cached is computed: about 5 minutes for all.
    """
    series = read_folder() if series is None else series
    if not series:
        return []
    ours = _ours(series, cache)
    columns: dict[str, list[float]] = {name: [s.vus_pr(ours[s.name][name]) for s in series] for name in _OURS}
    columns |= {name: [s.vus_pr(_rival(s, name, cache)) for s in series] for name in RIVALS}
    alarms = [s.false_alarms_per_week(ours[s.name]["is_anomaly"]) for s in series]
    found = [s.found(ours[s.name]["is_anomaly"]) for s in series]
    lines = [["series", *columns, "false alarms/week", "found"]]
    for i, s in enumerate(series):
        lines.append([s.name, *(f"{column[i]:.3f}" for column in columns.values()), f"{alarms[i]:.1f}", f"{found[i]:.0%}"])
    means = (f"{np.mean(column):.3f}" for column in columns.values())
    return [*lines, ["mean", *means, f"{np.mean(alarms):.1f}", f"{np.mean(found):.0%}"]]


def _ours(series: Sequence[Series], cache: Path) -> dict[str, dict[str, NDArray[Any]]]:
    kept = {s.name: cache / f"{s.name}-{_digest(_product_code(), s.value, s.time_s)}.npz" for s in series}
    missing = [s for s in series if not kept[s.name].is_file()]
    if missing:
        from jobs.backtest import backtest

        with tempfile.TemporaryDirectory(prefix="anomasec-scorecard-") as folder:
            source, target = Path(folder) / "in", Path(folder) / "out"
            source.mkdir()
            for s in missing:
                pl.DataFrame({"time": s.time_s, "value": s.value}).write_csv(source / f"{s.name}.csv")
            backtest(source, target, _ROOT / "sql", progress=lambda text: print(text, file=sys.stderr))
            for s in missing:
                frame = pl.read_csv(target / f"{s.name}.csv", infer_schema_length=None)
                verdicts = {name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in _OURS}
                np.savez_compressed(_room(kept[s.name]), **verdicts, is_anomaly=frame["is_anomaly"].to_numpy())
    return {name: dict(np.load(path)) for name, path in kept.items()}


def _rival(s: Series, name: str, cache: Path) -> NDArray[Any]:
    digest = _digest(inspect.getsource(RIVALS[name]), s.value)
    path = cache / f"{s.name}-{digest}.npy"
    if not path.is_file():
        np.save(_room(path), RIVALS[name](s.value, s.step_s))
    return np.asarray(np.load(path))


def _room(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _product_code() -> str:
    files = [
        *(_ROOT / "sql" / "flink").glob("*.sql"),
        *(_ROOT / "udfs" / "scorers").glob("*.py"),
        *(_ROOT / "jobs" / "measure").glob("*.py"),
    ]
    return "".join(path.read_text() for path in sorted(files)) + inspect.getsource(vus)


def _digest(code: str, *arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256(code.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.scorecard.kpi", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of Parquet files with time, value, label, split")
    parser.add_argument("--series", default="", help="comma-separated names; all when absent")
    parser.add_argument("--cache", type=Path, default=_CACHE)
    args = parser.parse_args(arguments)
    wanted = set(filter(None, args.series.split(",")))
    series = [s for s in read_folder(args.data) if not wanted or s.name in wanted]
    if not series:
        print(f"no series in {args.data}: name a folder by --data", file=sys.stderr)
        return 2
    print("\n".join(table(rows(series, args.cache))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
