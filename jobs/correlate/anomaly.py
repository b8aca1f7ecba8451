"""One anomaly: a score row with an identity, and the incident it belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.point import ANOMALY, SCORE
from udfs.hashing import hash_columns, hex_ids

__all__ = ["EXPLAINED", "Anomaly", "anomalies_from_table", "anomalies_to_table", "anomaly_ids", "keep", "service_of"]

EXPLAINED = ("since", "fires_from", "dimension", "dimension_value", "dimension_share", "dimensions")
"""Columns that explain an anomaly, beside those of its score."""
_TAIL = re.compile(r"_p9\d$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = pa.schema([*ANOMALY.arrow, ("group_id", pa.string()), ("score_revision", pa.int64()), ("tick_ms", pa.int64())])


def anomaly_ids(scores: pa.Table) -> pa.Array:
    """128-bit hash of the identity columns of each row, 32 hex digits."""
    columns = []
    for name in SCORE.identity:
        column = scores.column(name)
        columns.append(column if column.type == pa.string() else pc.cast(pc.cast(column, pa.int64()), pa.string()))
    return hex_ids(hash_columns(columns, 0), hash_columns(columns, 1))


def service_of(entity_kind: str, entity: str) -> str:
    """Service an entity belongs to; '' for clients, environments and whatever belongs to none.

    >>> service_of("route", "checkout POST /orders"), service_of("host", "cart-service-5f6585d649-fnmft")
    ('checkout', 'cart-service')
    """
    if entity_kind == "service":
        return entity
    if entity_kind == "route":
        return entity.split(" ", 1)[0]
    if entity_kind == "host":
        # a pod's name is <deployment>-<replica set>-<pod>
        parts = entity.split("-")
        return "-".join(parts[:-2]) if len(parts) > 2 else entity
    return ""


@dataclass
class Anomaly:
    """An anomaly that may still change."""

    row: dict[str, Any]
    """SCORE columns, times as aware datetimes."""
    anomaly_id: str
    score_revision: int
    """Revision of the score it rests on."""
    revision: int = 0
    """Of its last emission; grows with each, and is never below score_revision."""
    incident_id: str = ""
    """Of the incident it was told to belong to."""
    group_id: str = ""
    """Of the incident it is in, told or not."""
    tick_ms: int = 0
    """When it was first heard of: names its segment of state."""
    told_ms: int = 0
    """When it was last told."""
    evidence: float = 0.0
    """What it counts towards a page."""
    before_id: str = ""
    """Id of the window before in the same series; only on arrival."""
    explained: dict[str, Any] = field(default_factory=dict)
    """Columns of ANOMALY that explain it: since, fires_from, dimension..."""

    @property
    def service(self) -> str:
        """Its service, '' = belongs to none."""
        return service_of(self.row["entity_kind"], self.row["entity"])

    @property
    def series(self) -> str:
        """What it is evidence of: its series, of whatever width; p95 and p99, which one slow request moves alike, are one."""
        metric = _TAIL.sub("", self.row["metric"])
        return f"{self.row['entity_kind']} {self.row['entity']} {metric}"

    @property
    def start_us(self) -> int:
        """Start of its window, epoch us."""
        return (self.row["time"] - _EPOCH) // timedelta(microseconds=1)  # type: ignore[no-any-return]

    @property
    def end_us(self) -> int:
        """End of its window, epoch us."""
        return self.start_us + int(self.row["width_s"]) * 1_000_000

    @property
    def score(self) -> float:
        """0..100."""
        return float(self.row["score"] or 0.0)

    @property
    def effect(self) -> float:
        """Distance from what was expected in half widths of the normal range; 0 = unknown."""
        value, expected, lower, upper = (self.row[name] for name in ("value", "expected", "lower", "upper"))
        if value is None or expected is None:
            return 0.0
        half = (upper - lower) / 2 if lower is not None and upper is not None else 0.0
        return float(abs(value - expected) / max(half, 1e-9))

    def order(self) -> tuple[int, float, float, str]:
        """First to be known comes first, then the stronger; the id makes it a total order."""
        return self.end_us, -self.score, -self.effect, self.anomaly_id

    def strength(self) -> tuple[float, float, int, str]:
        """The smallest is the strongest: by score, then by effect, then the earlier."""
        return -self.score, -self.effect, self.end_us, self.anomaly_id


def anomalies_to_table(anomalies: Sequence[Anomaly], schema: pa.Schema = ANOMALY.arrow) -> pa.Table:
    """ANOMALY rows, sorted by id."""
    rows = [
        {
            **a.row,
            **a.explained,
            "told_at": _EPOCH + timedelta(milliseconds=a.told_ms),
            "anomaly_id": a.anomaly_id,
            "incident_id": a.incident_id,
            "group_id": a.group_id,
            "revision": a.revision,
            "score_revision": a.score_revision,
            "tick_ms": a.tick_ms,
        }
        for a in sorted(anomalies, key=lambda a: a.anomaly_id)
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def keep(anomalies: Sequence[Anomaly]) -> pa.Table:
    """As kept in state."""
    return anomalies_to_table(anomalies, _KEPT)


def anomalies_from_table(kept: pa.Table) -> list[Anomaly]:
    """Read what `keep` wrote."""
    return [
        Anomaly(
            {name: row[name] for name in SCORE.names},
            row["anomaly_id"],
            row["score_revision"],
            row["revision"],
            row["incident_id"],
            row["group_id"],
            row["tick_ms"],
            told_ms=(row["told_at"] - _EPOCH) // timedelta(milliseconds=1),
            explained={name: row[name] for name in EXPLAINED},
        )
        for row in kept.to_pylist()
    ]
