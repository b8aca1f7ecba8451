"""State of the correlate stage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from jobs.budget.ledger import BudgetState
from jobs.correlate.anomaly import Anomaly, anomalies_from_table, keep
from jobs.correlate.calls import CallGraph
from jobs.correlate.incident import Incident
from jobs.correlate.pages import weigh
from jobs.correlate.silence import Watchers
from jobs.knobs import Knobs
from schemas.framing import from_payload, to_payload

__all__ = ["CorrelateState"]

_CALLS, _INCIDENT, _ANOMALIES, _BUDGET, _SILENCE = "calls", "incident/", "anomalies/", "budget", "silence"


class CorrelateState:
    """Incidents and anomalies that may still change, and the known calls."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.budget = BudgetState(knobs)
        self.watchers = Watchers()
        self._watched = self.watchers.to_bytes()
        self.calls = CallGraph()
        self.incidents: dict[str, Incident] = {}
        self.anomalies: dict[str, Anomaly] = {}
        self._ticks: dict[int, set[str]] = {}
        self._dirty: set[str] = set()
        self._stored: set[str] = set()

    @property
    def gap_ms(self) -> int:
        """Quiet time that closes an incident."""
        return self.knobs.correlate_gap

    @property
    def retention_ms(self) -> int:
        """How long closed incidents and their anomalies are kept: as long as late data or a wider window may concern them."""
        return max(*self.knobs.measure_widths, *self.knobs.measure_client_widths) * 1000 + self.knobs.measure_late_horizon + self.gap_ms

    def next_deadline_ms(self) -> int | None:
        """When the next quiet incident closes."""
        return min((i.last_ms + self.gap_ms for i in self.incidents.values() if i.status == "open"), default=None)

    def learn_calls(self, calls: Iterable[tuple[str, str]]) -> None:
        """Add (caller, callee) pairs."""
        if self.calls.learn(calls):
            self._dirty.add(_CALLS)

    def put(self, anomaly: Anomaly) -> None:
        """Add or mark as changed."""
        anomaly.evidence = weigh(anomaly, self.knobs)
        self.anomalies[anomaly.anomaly_id] = anomaly
        self._ticks.setdefault(anomaly.tick_ms, set()).add(anomaly.anomaly_id)
        self._dirty.add(f"{_ANOMALIES}{anomaly.tick_ms}")

    def touch(self, incident: Incident) -> None:
        """Add or mark as changed."""
        self.incidents[incident.incident_id] = incident
        self._dirty.add(_INCIDENT + incident.incident_id)

    def forget(self, incident: Incident) -> None:
        """Drop an incident; its anomalies stay."""
        self.incidents.pop(incident.incident_id, None)
        self._dirty.add(_INCIDENT + incident.incident_id)

    def expire(self, now_ms: int) -> None:
        """Drop what nothing can change any more."""
        for incident in [i for i in self.incidents.values() if i.status != "open" and i.last_ms + self.retention_ms < now_ms]:
            self.forget(incident)
        for tick in [t for t in self._ticks if t + self.retention_ms < now_ms]:
            members = self._ticks[tick]
            # those of an incident that is still open stay with it
            gone = {a for a in members if self.anomalies[a].group_id not in self.incidents}
            for anomaly_id in gone:
                del self.anomalies[anomaly_id]
            members -= gone
            if gone:
                self._dirty.add(f"{_ANOMALIES}{tick}")
            if not members:
                del self._ticks[tick]

    def changes(self) -> dict[str, bytes | None]:
        """Segments written or gone since the last call."""
        out: dict[str, bytes | None] = {}
        for name in sorted(self._dirty):
            blob = self._segment(name)
            if blob is not None or name in self._stored:
                out[name] = blob
            (self._stored.discard if blob is None else self._stored.add)(name)
        self._dirty.clear()
        budget = self.budget.to_bytes()
        if budget is not None:
            out[_BUDGET] = budget
        watched = self.watchers.to_bytes()
        if watched != self._watched:
            out[_SILENCE] = self._watched = watched
        return out

    def _segment(self, name: str) -> bytes | None:
        if name == _CALLS:
            return json.dumps(sorted(self.calls.calls)).encode()
        if name.startswith(_INCIDENT):
            incident = self.incidents.get(name.removeprefix(_INCIDENT))
            return None if incident is None else _to_bytes(incident)
        members = self._ticks.get(int(name.removeprefix(_ANOMALIES)), ())
        return to_payload(keep([self.anomalies[a] for a in members])) if members else None

    @classmethod
    def load(cls, segments: Mapping[str, bytes], knobs: Knobs) -> CorrelateState:
        """State as it was when `changes` was last called; {} = fresh."""
        state = cls(knobs)
        for name in sorted(segments):
            blob = segments[name]
            if name == _CALLS:
                state.calls = CallGraph(tuple(pair) for pair in json.loads(blob))
            elif name == _BUDGET:
                state.budget.restore(blob)
            elif name == _SILENCE:
                state.watchers, state._watched = Watchers.from_bytes(blob), blob
            elif name.startswith(_INCIDENT):
                incident = _from_bytes(blob)
                state.incidents[incident.incident_id] = incident
            else:
                for anomaly in anomalies_from_table(from_payload(blob)):
                    state.put(anomaly)
        state._dirty.clear()
        state._stored = set(segments)
        return state


def _to_bytes(incident: Incident) -> bytes:
    fields = {**vars(incident), "anomaly_ids": sorted(incident.anomaly_ids)}
    return json.dumps(fields, default=lambda instant: instant.isoformat()).encode()


def _from_bytes(blob: bytes) -> Incident:
    fields = json.loads(blob)
    fields["anomaly_ids"] = set(fields["anomaly_ids"])
    for name in ("started_at", "ended_at"):
        if name in fields["row"]:
            fields["row"][name] = datetime.fromisoformat(fields["row"][name])
    return Incident(**fields)
