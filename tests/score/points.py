"""Points for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from schemas.point import POINT

__all__ = ["make_points"]

START_US = 1_700_000_000_000_000


def make_points(n: int, **columns: Any) -> pa.Table:
    """A steady series of n minutes around 100, spread 10; `columns` replace whole columns, a list or one value for all."""
    defaults = {
        "time": START_US + 60_000_000 * np.arange(n),
        "environment": "prod",
        "entity_kind": "route",
        "entity": 'shop GET /"x"',
        "metric": "latency_ms_p95",
        "width_s": 60,
        "value": 100.0 + np.arange(n) % 3,
        "weight": 50.0,
        "expected": 100.0,
        "spread": 10.0,
        "seasonal_expected": None,
        "history_count": 60,
        "previous": 100.0,
        "season_surprise": 0.3,
        "step_surprise": 0.2,
        "drift_surprise": 0.1,
        "noise_surprise": 0.1,
        "revision": 1,
        "source": "window",
        "emitted_at": START_US // 1000 + 60_000 * np.arange(n),
    }
    arrays = []
    for field in POINT.arrow:
        given = {**defaults, **columns}[field.name]
        given = given if isinstance(given, (list, np.ndarray)) else [given] * n
        kind = pa.int64() if pa.types.is_timestamp(field.type) else field.type
        arrays.append(pa.array(given, kind, from_pandas=True).cast(field.type))
    return pa.table(arrays, schema=POINT.arrow)
