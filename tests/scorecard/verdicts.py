"""The verdicts of score.sql without Flink: its votes and rules, read from the file, over POINT rows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from udfs.scorers.deviation import deviation_lower, deviation_upper

__all__ = ["verdicts"]

_SQL = Path(__file__).parents[2] / "sql" / "flink" / "score.sql"
_CONSTANT = re.compile(r"^\s*CAST\(([\d.]+) AS (?:INT|DOUBLE)\)\s+AS (\w+)", re.MULTILINE)
_RULE = re.compile(r"^\s*(?:WHEN (?P<when>.+?)\s+THEN|ELSE)\s+ROW\((?P<row>[^)]*)\)", re.MULTILINE)
_PARTS = ("threshold", "min_relative", "min_absolute", "min_weight")
_DETECTORS = ("season", "step", "drift", "noise")


def verdicts(points: pa.Table) -> pl.DataFrame:
    """POINT rows with surprise, score and is_anomaly, as score.sql stands; the forest and detectors of one's own have no vote."""
    text = _SQL.read_text()
    constants = {name: float(number) for number, name in _CONSTANT.findall(text)}
    frame = pl.DataFrame(pl.from_arrow(points))
    band = pd.Series(np.full(len(frame), constants["band_spreads"]))
    expected, spread, seasonal, weight = (pd.Series(frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()) for name in _BASELINE)
    votes = [constants[f"{name}_weight"] * pl.col(f"{name}_surprise").fill_null(0) for name in _DETECTORS]
    warm = (pl.col("history_count") >= constants["min_history"]) & pl.col("expected").is_not_null() & pl.col("step_surprise").is_not_null()
    distance = (pl.col("value") - pl.col("expected")).abs()
    return (
        frame.with_columns(
            lower=pl.Series(deviation_lower(expected, spread, seasonal, weight, band).to_numpy()),
            upper=pl.Series(deviation_upper(expected, spread, seasonal, weight, band).to_numpy()),
            surprise=pl.when(warm).then(pl.max_horizontal(0.0, *votes)),
            **_rules(text),
        )
        .with_columns(score=100 * (1 - 10.0 ** (-pl.col("surprise") / 5)))
        .with_columns(
            is_anomaly=(
                (pl.col("score") >= pl.col("threshold"))
                & ((pl.col("value") < pl.col("lower")) | (pl.col("value") > pl.col("upper")))
                & (distance >= pl.col("min_relative") * pl.col("expected").abs())
                & (distance >= pl.col("min_absolute"))
                & (pl.col("weight").is_null() | (pl.col("weight") >= pl.col("min_weight")))
                & ((pl.col("direction") == "both") | ((pl.col("direction") == "up") == (pl.col("value") > pl.col("expected"))))
            ).fill_null(value=False)
        )
    )


_BASELINE = ("expected", "spread", "seasonal_expected", "weight")


def _rules(text: str) -> dict[str, pl.Expr]:
    """The columns of the rule that holds for each row: the first that matches."""
    found = [(match["when"], [part.strip().strip("'") for part in match["row"].split(",")]) for match in _RULE.finditer(text)]
    if not found or found[-1][0] is not None:
        raise ValueError(f"cannot read the rules of {_SQL}")
    out: dict[str, pl.Expr] = {}
    for place, name in enumerate((*_PARTS, "direction")):
        column = pl.lit(found[-1][1][place])
        for when, row in reversed(found[:-1]):
            column = pl.when(pl.sql_expr(str(when))).then(pl.lit(row[place])).otherwise(column)
        out[name] = column if name == "direction" else column.cast(pl.Float64)
    return out
