"""Train the isolation forest from stored points."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from schemas.errors import AnomasecError, StoreError
from udfs.scorers.forest import FEATURES, forest_features
from udfs.scorers.forest_model import ForestModel, ModelCard, fit_forest, load_current, store_model

__all__ = ["MIN_ROWS", "fit_points", "planted_auc", "read_points", "train"]

MIN_ROWS = 1_000
"""Points below which a forest says nothing worth hearing."""

_HELD_OUT = 0.2
"""Share of the points, the newest, on which a new model and the current one are compared."""
_PLANT_EVERY = 10
_PLANT_SPREADS, _PLANT_SHARE = 6.0, 0.5
"""Every 10th of them is moved up by 6 spreads, or by half of what is expected."""
_COLUMNS = ("value", "expected", "spread", "seasonal_expected", "previous", "weight")


def train(client: Any, folder: Path, rows: int = 1_000_000, trees: int = 100, since: dt.datetime | None = None) -> ModelCard:
    """Fit a forest on the points of a store; it becomes the current model if it is no worse than that on the newest points.

    Parameters
    ----------
    client
        clickhouse-connect client whose database holds the view `points`.
    folder
        Where models are kept; made when absent.
    rows
        Most points to train on; of more, those with the smallest hashes are taken: the same points each time.
    trees
        More = steadier scores, slower scoring.
    since
        Leave out points before this time.

    Raises
    ------
    StoreError
        The store does not answer, or has no points table.
    AnomasecError
        Too few points with a baseline.
    """
    return fit_points(read_points(client, rows, since), folder, trees)


def read_points(client: Any, rows: int, since: dt.datetime | None = None) -> pa.Table:
    """Points that have a baseline: time and the columns the features are made of."""
    # sipHash64 of the identity: a sample that does not depend on parts, merges or the order of inserts
    query = f"""
        SELECT toUnixTimestamp64Micro(time) AS time_us, {", ".join(_COLUMNS)}
        FROM points
        WHERE value IS NOT NULL AND expected IS NOT NULL AND spread IS NOT NULL AND time >= fromUnixTimestamp64Micro({{since:Int64}})
        ORDER BY sipHash64(environment, entity_kind, entity, metric, width_s, time)
        LIMIT {{rows:UInt64}}"""
    since_us = int(since.timestamp() * 1_000_000) if since else 0
    try:
        return client.query_arrow(query, parameters={"since": since_us, "rows": rows})
    except Exception as error:  # clickhouse-connect raises its own, requests' and urllib3's classes
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"cannot read points: {first}", "see `anomasec status`, or name a store by --store") from None


def fit_points(points: pa.Table, folder: Path, trees: int = 100) -> ModelCard:
    """Fit a forest on rows of `read_points` and store it; as the current model if it does no worse than that.

    Both are replayed on the newest fifth of the points, some of which are moved far off: `planted_auc`. The new one is judged by a forest
    that was fitted without that fifth; then it is fitted on all.

    Raises
    ------
    AnomasecError
        Fewer than `MIN_ROWS` rows.
    """
    if points.num_rows < MIN_ROWS:
        raise AnomasecError(
            f"{points.num_rows} points with a baseline are too few to train on, {MIN_ROWS} are needed",
            "let the job run for a while, or replay a day of logs",
        )
    columns = [pd.Series(points.column(name).to_numpy(), dtype="float64") for name in _COLUMNS]
    times = points.column("time_us").to_numpy()
    order = np.argsort(times, kind="stable")
    older, newest = np.split(order, [round(len(order) * (1 - _HELD_OUT))])
    rehearsal = fit_forest(forest_features(*(column.iloc[np.sort(older)] for column in columns)), trees)
    held_out = [column.iloc[newest].reset_index(drop=True) for column in columns]
    auc = planted_auc(rehearsal, held_out)
    facts = {
        "metrics": {"planted_auc": round(auc, 6)},
        "features": FEATURES,
        "trained_from": _iso(int(times.min())),
        "trained_to": _iso(int(times.max())),
        "rows": points.num_rows,
    }
    before = _current(folder)
    better = before is None or auc >= planted_auc(before.forest, held_out)
    return store_model(folder, fit_forest(forest_features(*columns), trees), facts, current=better)


def planted_auc(forest: Any, columns: list[pd.Series]) -> float:
    """Chance that a point moved far off gets a stranger score than one that was left as it is, 0..1.

    Parameters
    ----------
    columns : value, expected, spread, seasonal_expected, previous, weight
    """
    planted = np.arange(len(columns[0])) % _PLANT_EVERY == 0
    value, expected, spread = columns[:3]
    moved = value.where(~planted, expected + np.maximum(_PLANT_SPREADS * spread, _PLANT_SHARE * expected.abs()))
    strange = -np.asarray(forest.score_samples(forest_features(moved, *columns[1:])))
    ranks = pd.Series(strange).rank().to_numpy()
    return _auc(ranks, planted)


def _auc(ranks: NDArray[Any], positive: NDArray[Any]) -> float:
    hits, others = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / max(hits * others, 1))


def _current(folder: Path) -> ForestModel | None:
    """The model to be beaten; one that cannot be read any more is none."""
    try:
        return load_current(folder)
    except AnomasecError:
        return None


def _iso(time_us: int) -> str:
    return dt.datetime.fromtimestamp(time_us / 1e6, dt.UTC).isoformat(timespec="seconds")
