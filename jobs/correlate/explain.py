"""Why: since when, from which value on, and where among its siblings an anomaly sits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.budget.evidence import surprise_of_score
from jobs.correlate.anomaly import Anomaly, service_of

__all__ = ["Siblings", "explain", "fires_from", "one_window_earlier", "rank"]

_MOST_NAMED = 8
_LEAST_SHARE, _LEAST_LIFT = 0.5, 0.15
"""A deviation sits in what holds half of it, and clearly more of it than of the requests."""
_DECADES = 0.3
"""Tenfolds of the distance per unit of surprise."""
_COLUMNS = ("environment", "entity_kind", "entity", "metric", "width_s", "time", "value", "expected", "weight")


@dataclass(frozen=True)
class _Part:
    """One sibling and what it holds of the deviation and of the requests."""

    dimension: str
    value: str
    share: float
    lift: float


class Siblings:
    """Points of the windows in which a tick has anomalies, to be asked for those that may explain one."""

    def __init__(self, scores: pa.Table, anomalies: Iterable[Anomaly]) -> None:
        self._by_kind: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
        windows = {(a.row["time"], a.row["width_s"]) for a in anomalies}
        if not windows:
            return
        chosen = pc.and_(
            pc.is_in(scores.column("time"), pa.array({time for time, _ in windows}, scores.schema.field("time").type)),
            pc.is_in(scores.column("width_s"), pa.array({width for _, width in windows}, pa.int32())),
        )
        for row in scores.filter(pc.and_(chosen, pc.is_valid(scores.column("expected")))).select(_COLUMNS).to_pylist():
            key = (row["entity_kind"], row["metric"], row["width_s"], row["time"])
            self._by_kind[key].append(row)
            service = service_of(row["entity_kind"], row["entity"] or "")
            if service and row["entity_kind"] in ("route", "host"):
                self._by_kind[(*key, row["environment"], service)].append(row)
            if row["metric"].startswith("error_ratio_"):
                self._by_kind["error", row["width_s"], row["time"], row["environment"], row["entity_kind"], row["entity"]].append(row)

    def of(self, anomaly: Anomaly) -> list[tuple[str, str, dict[str, Any]]]:
        """(dimension, value, row) of all that may explain it."""
        row = anomaly.row
        window = (row["metric"], row["width_s"], row["time"])
        environment, kind = row["environment"], row["entity_kind"]
        found = []
        if kind == "environment":
            found += [("service", one["entity"], one) for one in self._by_kind["service", *window] if one["environment"] == environment]
        if kind == "service":
            for part in ("route", "host"):
                found += [(part, one["entity"], one) for one in self._by_kind[part, *window, environment, row["entity"]]]
        if kind in ("environment", "service", "route"):
            found += [("client", one["entity"], one) for one in self._by_kind["client", *window] if one["environment"] == environment]
        if kind in ("service", "route"):
            twins = [one for one in self._by_kind[kind, *window] if one["entity"] == row["entity"]]
            found += [("environment", one["environment"], one) for one in twins] if len(twins) > 1 else []
        if row["metric"] == "error_ratio":
            errors = self._by_kind["error", row["width_s"], row["time"], environment, kind, row["entity"]]
            found += [("error", one["metric"].removeprefix("error_ratio_"), one) for one in errors]
        return found


def explain(anomaly: Anomaly, before: Anomaly | None, siblings: Siblings) -> Mapping[str, Any]:
    """The columns that explain it; `before` is the anomaly of the window before, if there was one."""
    since = before.explained.get("since") if before is not None else None
    parts = rank(anomaly, siblings.of(anomaly))
    top = next((part for part in parts if part.share >= _LEAST_SHARE and part.lift >= _LEAST_LIFT), None)
    return {
        "since": since or anomaly.row["time"],
        "fires_from": fires_from(anomaly.row),
        "dimension": top.dimension if top else "",
        "dimension_value": top.value if top else "",
        "dimension_share": top.share if top else None,
        "dimensions": [f"{part.dimension} {part.value} {part.share:.2f}" for part in parts[:_MOST_NAMED]],
    }


def fires_from(row: Mapping[str, Any]) -> float | None:
    """The value at which the row's own surprise and rule would just have been an anomaly; null where one of them is not known.

    Surprise grows by 10/3 per tenfold distance, as the tails that it is read from do (jobs/measure/tails.py): the distance at the rule's
    threshold follows from the distance at hand. The band and the least effect must be left, too.

    >>> row = {"value": 400.0, "expected": 100.0, "surprise": 5.0, "score": 90.0, "threshold": 75.0, "min_effect": 30.0, "upper": 140.0}
    >>> round(fires_from(row), 1)
    175.9
    """
    value, expected, threshold = (row.get(name) for name in ("value", "expected", "threshold"))
    if value is None or expected is None or threshold is None or row.get("score") is None or not 0 <= threshold < 100:
        return None
    surprise = row.get("surprise")
    beyond = (surprise_of_score(row["score"]) if surprise is None else surprise) - surprise_of_score(threshold)
    edge = row.get("upper") if value >= expected else row.get("lower")
    band = abs(edge - expected) if edge is not None else 0.0
    needed = max(abs(value - expected) * 10.0 ** (-_DECADES * beyond), row.get("min_effect") or 0.0, band)
    return float(expected + needed if value >= expected else expected - needed)


def rank(anomaly: Anomaly, siblings: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[_Part]:
    """Siblings that deviate the same way, those that hold most beyond their share of the requests first."""
    own = _excess(anomaly.row)
    if own is None or own == 0:
        return []
    by_dimension: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for dimension, value, row in siblings:
        excess = _excess(row)
        if excess is not None:
            by_dimension[dimension].append((value, excess * (1 if own > 0 else -1), float(row["weight"] or 0.0)))
    parts = []
    for dimension, rows in by_dimension.items():
        # clients are shared by all of the environment: what they hold is held against the anomaly itself, not against each other
        total = abs(own) if dimension in ("client", "error") else sum(max(excess, 0.0) for _, excess, _ in rows)
        weight = sum(weight for _, _, weight in rows) if dimension != "error" else 0.0
        for value, excess, its_weight in rows:
            if excess > 0 and total > 0:
                share = min(excess / total, 1.0)
                parts.append(_Part(dimension, value, share, share - (its_weight / weight if weight else 0.0)))
    return sorted(parts, key=lambda part: (-part.lift, -part.share, part.dimension, part.value))


def one_window_earlier(scores: pa.Table) -> pa.Table:
    """The same rows one window earlier: their ids are those of the anomalies before."""
    time = scores.column("time").cast(pa.int64())
    step = pc.multiply(scores.column("width_s").cast(pa.int64()), 1_000_000)
    field = scores.schema.field("time")
    return scores.set_column(scores.schema.get_field_index("time"), field, pc.subtract(time, step).cast(field.type))


def _excess(row: Mapping[str, Any]) -> float | None:
    value, expected = row["value"], row["expected"]
    if value is None or expected is None:
        return None
    by = 1.0 if row["metric"] == "request_rate" or row["metric"].endswith("bytes_rate") else float(row["weight"] or 0.0)
    return float((value - expected) * by)
