"""Which incidents page: those whose evidence passes what the budget allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.budget.evidence import evidence_of, severity, surprise_of_score
from jobs.correlate.anomaly import Anomaly
from jobs.correlate.incident import Incident

if TYPE_CHECKING:
    from jobs.correlate.state import CorrelateState
    from jobs.knobs import Knobs

__all__ = ["close_accounts", "decide_pages", "drop_overridden", "watch", "weigh"]

_REPEAT_FACTOR = 1.5
"""How much stronger a second page of the same service must be within budget_repeat_after."""


def weigh(anomaly: Anomaly, knobs: Knobs) -> float:
    """What an anomaly counts towards a page: its severity, or 0 where the effect is too small or a silence holds."""
    row, rules = anomaly.row, knobs.budget_rules
    value, expected = row["value"], row["expected"]
    if value is not None and expected is not None and abs(value - expected) < knobs.budget_min_effect * abs(expected):
        return 0.0
    if rules.silences and rules.silenced(row["environment"] or "", row["entity"] or "", row["metric"] or "", row["time"]):
        return 0.0
    surprise = row.get("surprise")
    known = surprise_of_score(row["score"]) if surprise is None else float(surprise)
    return severity(known, row["metric"] or "", value, expected)


def drop_overridden(scores: pa.Table, knobs: Knobs) -> pa.Table:
    """Scores below the overrides of budget.sql are no anomalies."""
    rules = knobs.budget_rules
    if not rules.overrides or not scores.num_rows:
        return scores
    flagged = pc.fill_null(scores.column("is_anomaly"), False).combine_chunks()
    at = np.flatnonzero(flagged.to_numpy(zero_copy_only=False))
    if not len(at):
        return scores
    names = ("environment", "entity", "metric", "width_s", "score")
    rows = scores.select(names).take(pa.array(at)).to_pylist()  # anomalies are few
    dropped = [
        i
        for i, row in zip(at, rows, strict=True)
        if (row["score"] or 0.0) < rules.min_score(row["environment"] or "", row["entity"] or "", row["metric"] or "", row["width_s"])
    ]
    if not dropped:
        return scores
    keep = np.ones(scores.num_rows, bool)
    keep[dropped] = False
    kept = pa.array(keep)
    reason = pc.if_else(kept, scores.column("reason"), "")
    scores = scores.set_column(scores.schema.get_field_index("is_anomaly"), scores.schema.field("is_anomaly"), pc.and_(flagged, kept))
    return scores.set_column(scores.schema.get_field_index("reason"), scores.schema.field("reason"), reason)


def watch(state: CorrelateState, scores: pa.Table) -> None:
    """Tell the budget that time passed, and set the thresholds from what is over and what goes on."""
    judged = scores.num_rows - scores.column("score").null_count
    if judged:
        ends = scores.column("time").cast(pa.int64()).to_numpy() // 1000 + scores.column("width_s").to_numpy().astype(np.int64) * 1000
        # a time stamp from the future moves no clock
        newest = np.minimum(ends, scores.column("emitted_at").cast(pa.int64()).to_numpy())
        state.budget.watch(int(newest.max()), judged)
        state.budget.settle(_paged(state))


def close_accounts(state: CorrelateState, incident: Incident) -> None:
    """An incident is over: it says how often things are how strong."""
    if not incident.is_counted:
        incident.is_counted = True
        state.budget.over(incident.team, incident.strongest_evidence)


def decide_pages(state: CorrelateState, changed: Iterable[Incident], now_ms: int) -> bool:
    """Weigh the incidents that a tick changed, and page for those that passed the threshold with it; true when one did.

    An incident that stays as it is never pages because the threshold came down to it.
    """
    grown = []
    for incident in changed:
        if incident.status == "merged":
            continue
        members = [state.anomalies[a] for a in incident.anomaly_ids]
        counted = [a for a in members if a.evidence > 0]
        incident.evidence = evidence_of((a.series, a.start_us, a.evidence) for a in counted)
        if counted and not incident.is_page:
            strongest = min(counted, key=lambda a: (-a.evidence, a.order()))
            service = strongest.service or strongest.row["entity"] or ""
            incident.team, incident.charged = state.knobs.budget_rules.team(service), f"{incident.environment} {service}"
        if incident.evidence > incident.strongest_evidence:
            incident.strongest_evidence = incident.evidence
            if incident.status == "open" and not incident.is_page:
                grown.append(incident)
        incident.page_threshold = state.budget.account(incident.team).threshold
    paged = False
    for incident in sorted(grown, key=lambda i: (-i.evidence, i.incident_id)):
        account = state.budget.account(incident.team)
        incident.page_threshold = account.threshold
        if incident.evidence < account.threshold or not state.budget.may_repeat(
            incident.charged, incident.evidence / _REPEAT_FACTOR, state.knobs.budget_repeat_after
        ):
            continue
        incident.is_page, incident.paged_ms, paged = True, now_ms, True
        state.budget.page(incident.team, now_ms, incident.charged, incident.evidence)
        state.budget.settle(_paged(state))
    return paged


def _paged(state: CorrelateState) -> list[tuple[str, float]]:
    """What goes on and has paged; what has not would only raise the threshold that it is about to pass."""
    return [(i.team, i.strongest_evidence) for i in state.incidents.values() if i.is_page and not i.is_counted]
