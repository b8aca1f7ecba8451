"""Train the isolation forest from stored points."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.errors import AnomasecError, StoreError
from udfs.scorers.forest import FEATURES, forest_features
from udfs.scorers.forest_model import ModelCard, fit_forest, store_model

__all__ = ["MIN_ROWS", "fit_points", "read_points", "train"]

MIN_ROWS = 1_000
"""Points below which a forest says nothing worth hearing."""

_COLUMNS = ("value", "expected", "spread", "seasonal_expected", "previous", "weight")


def train(client: Any, folder: Path, rows: int = 1_000_000, trees: int = 100, since: dt.datetime | None = None) -> ModelCard:
    """Fit a forest on the points of a store and make it the current model.

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
    """Fit a forest on rows of `read_points` and store it as the current model.

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
    facts = {
        "features": FEATURES,
        "trained_from": _iso(int(times.min())),
        "trained_to": _iso(int(times.max())),
        "rows": points.num_rows,
    }
    return store_model(folder, fit_forest(forest_features(*columns), trees), facts)


def _iso(time_us: int) -> str:
    return dt.datetime.fromtimestamp(time_us / 1e6, dt.UTC).isoformat(timespec="seconds")
