"""One incident: anomalies close in time and joined by calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from jobs.correlate.anomaly import Anomaly
from schemas.point import INCIDENT

__all__ = ["Incident", "incidents_to_table", "summarise"]


@dataclass
class Incident:
    """An incident, or a lone weak anomaly that may become one (revision 0: not told to anybody yet)."""

    incident_id: str
    environment: str
    founded_us: int
    """End of the window of its first anomaly: the older incident is the one that stays when two become one."""
    last_ms: int
    """Broker time of its last anomaly."""
    status: str = "open"
    revision: int = 0
    anomaly_ids: set[str] = field(default_factory=set)
    start_us: int = 1 << 62
    end_us: int = 0
    services: list[str] = field(default_factory=list)
    """Services it touches, sorted."""
    team: str = ""
    """Whose budget it is charged to."""
    charged: str = ""
    """Environment and service of its strongest anomaly: what a page is about."""
    evidence: float = 0.0
    strongest_evidence: float = 0.0
    """Highest it ever had: a page is decided when it grows."""
    page_threshold: float = math.inf
    is_page: bool = False
    paged_ms: int | None = None
    is_counted: bool = False
    """The budget knows that it is over."""
    told_ms: int = 0
    row: dict[str, Any] = field(default_factory=dict)
    """INCIDENT columns as last computed."""

    def absorb(self, anomaly: Anomaly, stretch: bool) -> None:
        """Take in an anomaly; `describe` must follow before the incident is told."""
        self.anomaly_ids.add(anomaly.anomaly_id)
        if stretch or not self.end_us:
            self.start_us, self.end_us = min(self.start_us, anomaly.start_us), max(self.end_us, anomaly.end_us)
        if anomaly.service and anomaly.service not in self.services:
            self.services = sorted([*self.services, anomaly.service])

    def describe(self, members: Sequence[Anomaly], gap_us: int) -> None:
        """Compute `row` from its anomalies; without any (all withdrawn) it keeps its last words, counts 0 and is closed."""
        if members:
            first, strongest = min(members, key=Anomaly.order), min(members, key=Anomaly.strength)
            # a wide window says only that something happened within it: it does not stretch the incident
            narrow = [a for a in members if a.end_us - a.start_us <= gap_us] or members
            self.start_us = min(first.start_us, *(a.start_us for a in narrow))
            self.end_us = max(a.end_us for a in narrow)
            self.services = sorted({a.service for a in members} - {""})
            self.row = {
                "first_entity_kind": first.row["entity_kind"],
                "first_entity": first.row["entity"],
                "strongest_entity_kind": strongest.row["entity_kind"],
                "strongest_entity": strongest.row["entity"],
                "strongest_metric": strongest.row["metric"],
                "max_score": strongest.row["score"],
                "services": self.services,
                "summary": summarise(strongest, self.start_us, len(members), len(self.services)),
            }
        else:
            self.status = "closed"
            self.row = {"services": self.services, **self.row, "summary": "withdrawn: late data showed that nothing was wrong"}
        self.row |= {
            "incident_id": self.incident_id,
            "environment": self.environment,
            "started_at": _instant(self.start_us),
            "ended_at": _instant(self.end_us),
            "anomaly_count": len(members),
        }


def incidents_to_table(incidents: Sequence[Incident]) -> pa.Table:
    """INCIDENT rows, sorted by id."""
    rows = [
        {
            **i.row,
            "status": i.status,
            "revision": i.revision,
            "team": i.team,
            "evidence": i.evidence,
            "page_threshold": i.page_threshold if math.isfinite(i.page_threshold) else None,
            "is_page": i.is_page,
            "paged_at": None if i.paged_ms is None else _instant(i.paged_ms * 1000),
            "told_at": _instant(i.told_ms * 1000),
        }
        for i in sorted(incidents, key=lambda i: i.incident_id)
    ]
    return pa.Table.from_pylist(rows, schema=INCIDENT.arrow)


def summarise(strongest: Anomaly, start_us: int, anomaly_count: int, service_count: int) -> str:
    """One sentence, e.g. 'checkout: latency_ms_p95 412 ms, expected 120 (90..160), since 12:03:05; 7 anomalies in 3 services'."""
    row = strongest.row
    unit = " ms" if "_ms" in row["metric"] else ""
    text = f"{row['entity'] or row['environment']}: {row['metric']} {_number(row['value'])}{unit}"
    if row["expected"] is not None:
        text += f", expected {_number(row['expected'])}"
        if row["lower"] is not None and row["upper"] is not None:
            text += f" ({_number(row['lower'])}..{_number(row['upper'])})"
    text += f", since {_instant(start_us):%H:%M:%S}; {_count(anomaly_count, 'anomaly', 'anomalies')}"
    return text + (f" in {_count(service_count, 'service', 'services')}" if service_count else "")


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "?"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _instant(epoch_us: int) -> datetime:
    return datetime.fromtimestamp(epoch_us // 1_000_000, UTC).replace(microsecond=epoch_us % 1_000_000)
