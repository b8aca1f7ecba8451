"""The way out of SQL: a batch of rows becomes one Arrow payload."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from schemas.framing import to_payload
from schemas.point import SCORE
from udfs.scorers.reason import describe_score

__all__ = ["PACK_COLUMNS", "pack_scores"]

PACK_COLUMNS = tuple({"time": "time_us", "emitted_at": "emitted_ms"}.get(name, name) for name in SCORE.names)
"""Columns of the view `scores`: those of the SCORE record, its two times as integers (cheaper than SQL timestamps)."""

_INTEGERS = {"time", "emitted_at", "width_s", "revision"}


def pack_scores(*columns: pd.Series) -> pd.Series[bytes]:
    """All rows as one payload in the first cell, null in the others.

    An anomaly whose reason is '' gets the standard sentence (`describe_score`): doing it here spares SQL a second evaluation of all that
    `is_anomaly` rests on.

    A vectorised function must give as many cells as it got rows; one cell for all rows also holds for a batch of one row.

    Parameters
    ----------
    *columns
        In the order of `PACK_COLUMNS`.

    Returns
    -------
    pandas.Series
        `schemas.framing` payload of a SCORE table, then nulls.
    """
    cells = np.full(len(columns[0]), None, dtype=object)
    if len(cells):
        named = dict(zip(SCORE.names, columns, strict=True))
        unexplained = named["is_anomaly"].to_numpy(dtype=bool) & (named["reason"].to_numpy() == "")
        if unexplained.any():
            words = (named[name] for name in ("metric", "value", "expected", "lower", "upper"))
            named["reason"] = named["reason"].where(~unexplained, describe_score(named["is_anomaly"], *words))
        arrays = [_array(field, named[field.name]) for field in SCORE.arrow]
        cells[0] = to_payload(pa.table(arrays, schema=SCORE.arrow))
    return pd.Series(cells, index=columns[0].index, dtype=object)


def _array(field: pa.Field, column: pd.Series) -> pa.Array:
    if field.name in _INTEGERS:
        # times are integers of the record's own unit: a cast that copies nothing
        return (
            pa.array(column.to_numpy(dtype=np.int64)).cast(field.type)
            if pa.types.is_integer(field.type)
            else pa.array(column.to_numpy(dtype=np.int64)).view(field.type)
        )
    return pa.array(column, type=field.type, from_pandas=True)
