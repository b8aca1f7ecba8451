"""The correlate stage: scores to anomalies and incidents. Row by row: anomalies are few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jobs.correlate.anomaly import Anomaly, anomalies_to_table, anomaly_ids
from jobs.correlate.explain import Siblings, explain, one_window_earlier
from jobs.correlate.incident import Incident, incidents_to_table
from jobs.correlate.pages import close_accounts, decide_pages, watch
from jobs.correlate.silence import tell_silence
from jobs.correlate.state import CorrelateState
from schemas.point import SCORE

__all__ = ["CorrelateOut", "on_batch"]


@dataclass(frozen=True)
class CorrelateOut:
    """What one tick changed."""

    anomalies: pa.Table
    """ANOMALY: new, changed, moved to another incident, or withdrawn (is_anomaly false)."""
    incidents: pa.Table
    """INCIDENT: new or changed."""
    budget: pa.Table
    """BUDGET: every five minutes of scores, and with each page."""
    scores: pa.Table
    """SCORE: those given, with silences told and what a silence explains no anomaly."""


@dataclass
class _Tick:
    """What a tick changes on its way."""

    state: CorrelateState
    now_ms: int
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)

    def change(self, incident: Incident | None, anomaly: Anomaly | None = None) -> None:
        """Note what changed, and keep it."""
        if incident is not None:
            self.incidents[incident.incident_id] = incident
            self.state.touch(incident)
        if anomaly is not None:
            self.anomalies[anomaly.anomaly_id] = anomaly
            self.state.put(anomaly)


def on_batch(
    state: CorrelateState, scores: pa.Table, now_ms: int, calls: Iterable[tuple[str, str]] = ()
) -> tuple[CorrelateState, CorrelateOut]:
    """One tick.

    Parameters
    ----------
    state : is changed in place
    scores : SCORE rows of the tick, in any order. Rows that are no anomaly matter only where an earlier revision was one.
    now_ms : end of the tick on the broker clock
    calls : (caller, callee) services seen since; remembered

    Two anomalies of one environment belong together when they are at most the knob correlate_gap apart and their services are the
    same or at most two known calls apart. Clients and the environment itself join the oldest open incident. A group is told
    as an incident once it has two anomalies, or one of a score of the knob correlate_alone_score; until then its anomaly has no
    incident. Windows wider than the gap join an incident they overlap, but neither stretch nor merge any.
    """
    tick = _Tick(state, now_ms)
    state.learn_calls(calls)
    scores = tell_silence(state.watchers, SCORE.conform(scores), state.knobs.measure_widths[:2], state.anomalies)
    watch(state, scores)
    news = _news(state, scores, now_ms)
    siblings = Siblings(scores, [anomaly for anomaly, is_anomaly in news if is_anomaly])
    for anomaly, is_anomaly in news:
        if is_anomaly:
            before = state.anomalies.get(anomaly.before_id)
            anomaly.explained = dict(explain(anomaly, before if before and before.row["is_anomaly"] else None, siblings))
            _place(tick, anomaly)
        else:
            _withdraw(tick, anomaly)
    _close_quiet(tick)
    out = _tell(tick, scores)
    state.expire(now_ms)
    return state, out


def _news(state: CorrelateState, scores: pa.Table, now_ms: int) -> list[tuple[Anomaly, bool]]:
    """Rows that change something, latest revision of each, in the order in which they became known."""
    ids = anomaly_ids(scores)
    known = pc.is_in(ids, value_set=pa.array(list(state.anomalies), pa.string()))
    flagged = pc.fill_null(scores.column("is_anomaly"), False)
    # an anomaly and its withdrawal may share a tick
    relevant = pc.or_(pc.or_(known, flagged.combine_chunks()), pc.is_in(ids, value_set=ids.filter(flagged.combine_chunks())))
    chosen = SCORE.conform(scores).filter(relevant)
    before_ids = anomaly_ids(one_window_earlier(chosen)).to_pylist()
    latest: dict[str, Anomaly] = {}
    for anomaly_id, before_id, row in zip(ids.filter(relevant).to_pylist(), before_ids, chosen.to_pylist(), strict=True):
        old = state.anomalies.get(anomaly_id)
        candidate = Anomaly(row, anomaly_id, row["revision"], tick_ms=now_ms, before_id=before_id if row["width_s"] else "")
        if old is not None:
            if row["revision"] <= old.score_revision:
                continue  # the same row again, or an older one
            candidate.revision, candidate.tick_ms = old.revision, old.tick_ms
            candidate.incident_id, candidate.group_id, candidate.explained = old.incident_id, old.group_id, old.explained
        if anomaly_id not in latest or row["revision"] > latest[anomaly_id].score_revision:
            latest[anomaly_id] = candidate
    news = sorted(latest.values(), key=Anomaly.order)
    return [(a, a.row["is_anomaly"]) for a in news if a.row["is_anomaly"] or a.anomaly_id in state.anomalies]


def _place(tick: _Tick, anomaly: Anomaly) -> None:
    """Into the incident it is in already, one nearby, or a new one."""
    state = tick.state
    incident = state.incidents.get(anomaly.group_id) or _nearby(tick, anomaly) or _found(tick, anomaly)
    narrow = _is_narrow(state, anomaly)
    if anomaly.anomaly_id not in incident.anomaly_ids and (narrow or incident.revision == 0):
        incident.status, incident.last_ms = "open", tick.now_ms
    incident.absorb(anomaly, stretch=narrow)
    anomaly.group_id = incident.incident_id
    tick.change(incident, anomaly)


def _found(tick: _Tick, anomaly: Anomaly) -> Incident:
    """A new incident, or the one that this anomaly founded before it was withdrawn."""
    known = tick.state.incidents.get(anomaly.anomaly_id)
    return known or Incident(anomaly.anomaly_id, anomaly.row["environment"] or "", anomaly.end_us, tick.now_ms)


def _nearby(tick: _Tick, anomaly: Anomaly) -> Incident | None:
    """The incident it belongs to: the oldest, with which younger ones that it connects are merged."""
    state = tick.state
    narrow = _is_narrow(state, anomaly)
    slack_us = state.gap_ms * 1000 if narrow else 0
    near = state.calls.near(anomaly.service)
    found = [
        incident
        for incident in state.incidents.values()
        if incident.environment == (anomaly.row["environment"] or "")
        and (incident.status == "open" or (not narrow and incident.revision > 0))
        and incident.anomaly_ids
        and anomaly.start_us - slack_us <= incident.end_us
        and incident.start_us - slack_us <= anomaly.end_us
        and (not anomaly.service or not incident.services or not near.isdisjoint(incident.services))
    ]
    if not found:
        return None
    if not narrow:
        return max(found, key=lambda incident: (incident.end_us, incident.incident_id))
    oldest, *younger = sorted(found, key=lambda incident: (incident.founded_us, incident.incident_id))
    if anomaly.service:  # what has no service is near everything: it proves no connection
        for other in younger:
            _merge(tick, oldest, other)
    return oldest


def _merge(tick: _Tick, into: Incident, other: Incident) -> None:
    """Move the anomalies of `other`; it keeps its last words under the status merged."""
    for moved in (tick.state.anomalies[a] for a in other.anomaly_ids):
        into.absorb(moved, _is_narrow(tick.state, moved))
        moved.group_id = into.incident_id
        tick.state.put(moved)
    into.last_ms = max(into.last_ms, other.last_ms)
    other.anomaly_ids, other.status = set(), "merged"
    tick.change(into)
    tick.change(other)


def _withdraw(tick: _Tick, anomaly: Anomaly) -> None:
    """Late data showed that the point was no anomaly."""
    incident = tick.state.incidents.get(anomaly.group_id)
    anomaly.incident_id = anomaly.group_id = ""
    if incident is None:
        tick.change(None, anomaly)
        return
    incident.anomaly_ids.discard(anomaly.anomaly_id)
    tick.change(incident, anomaly)


def _close_quiet(tick: _Tick) -> None:
    for incident in tick.state.incidents.values():
        if incident.status == "open" and incident.last_ms + tick.state.gap_ms <= tick.now_ms:
            incident.status = "closed"
            close_accounts(tick.state, incident)
            tick.change(incident)


def _tell(tick: _Tick, scores: pa.Table) -> CorrelateOut:
    """Give what changed its next revision; groups too weak to be incidents are not told."""
    state, told = tick.state, []
    paged = decide_pages(state, tick.incidents.values(), tick.now_ms)
    for incident in tick.incidents.values():
        members = [state.anomalies[a] for a in incident.anomaly_ids]
        if incident.status != "merged":
            incident.describe(members, state.gap_ms * 1000)
        if incident.revision == 0:
            if not members:
                state.forget(incident)
                continue
            if len(members) == 1 and members[0].score < state.knobs.correlate_alone_score and not incident.is_page:
                continue
        for anomaly in members:
            if anomaly.incident_id != incident.incident_id:
                anomaly.incident_id = incident.incident_id
                tick.change(None, anomaly)
        incident.revision += 1
        incident.told_ms = tick.now_ms
        state.touch(incident)
        told.append(incident)
    for anomaly in tick.anomalies.values():
        anomaly.revision = max(anomaly.revision + 1, anomaly.score_revision)
        anomaly.told_ms = tick.now_ms
        state.put(anomaly)
    budget = state.budget.rows(tick.now_ms, paged)
    return CorrelateOut(anomalies_to_table(list(tick.anomalies.values())), incidents_to_table(told), budget, scores)


def _is_narrow(state: CorrelateState, anomaly: Anomaly) -> bool:
    return anomaly.end_us - anomaly.start_us <= state.gap_ms * 1000
