"""From labels to overrides: the least change that removes what was called bad and keeps what was called good."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jobs.budget.rules import BudgetRules, Override, read_rules

__all__ = ["Proposal", "apply", "propose", "read_history"]

_HIGHEST = 100.0


@dataclass(frozen=True)
class Proposal:
    """An override, and what it would have done to the stored history."""

    override: Override
    bad: int
    """Bad labels that it removes."""
    removes: int
    """Anomalies of the history that it removes, labelled or not."""
    misses: int
    """Good labels among them."""
    incidents: int
    """Incidents that would not have been."""
    kept_bad: int
    """Bad labels that stay: a good one scored no higher."""

    @property
    def words(self) -> str:
        """One line for people."""
        o = self.override
        where = (
            f"{o.metric} of {o.entity}"
            + (f" at {o.width_s} s" if o.width_s >= 0 else "")
            + (f" in {o.environment}" if o.environment else "")
        )
        left = f", {self.kept_bad} bad stay" if self.kept_bad else ""
        return f"removes {self.removes}, misses {self.misses}{left}; {self.incidents} incidents fewer: {where} below score {o.min_score:g}"

    def statement(self, today: date) -> str:
        """The line of budget.sql."""
        o = self.override
        columns = ["environment", "entity", "metric", *(["width_s"] if o.width_s >= 0 else []), "min_score", "note"]
        note = f"{today.isoformat()}: {self.bad} labelled bad; removes {self.removes}, misses {self.misses}"
        values: list[Any] = [o.environment, o.entity, o.metric, *([o.width_s] if o.width_s >= 0 else []), o.min_score, note]
        written = ", ".join(_literal(value) for value in values)
        return f"INSERT INTO overrides ({', '.join(columns)}) VALUES ({written});"


def propose(labelled: Iterable[Mapping[str, Any]], history: Iterable[Mapping[str, Any]]) -> list[Proposal]:
    """Proposals, those that remove most first; none misses what was called good.

    Parameters
    ----------
    labelled : rows of `read_labelled`
    history : rows of `read_history`

    One series gets one threshold for all its widths where that separates good from bad, else one per width.
    """
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in labelled:
        groups[row["environment"], row["entity"], row["metric"]].append(row)
    by_series: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    of_incident: dict[str, int] = defaultdict(int)
    for row in history:
        by_series[row["environment"], row["entity"], row["metric"]].append(row)
        if row["incident_id"]:
            of_incident[row["incident_id"]] += 1
    found = []
    for key, rows in sorted(groups.items()):
        whole = _best(key, -1, rows, by_series[key], of_incident)
        if whole is not None and whole.kept_bad:
            parts = [
                _best(
                    key,
                    width,
                    [r for r in rows if r["width_s"] == width],
                    [r for r in by_series[key] if r["width_s"] == width],
                    of_incident,
                )
                for width in sorted({r["width_s"] for r in rows})
            ]
            narrow = [part for part in parts if part is not None]
            if sum(part.bad for part in narrow) > whole.bad:
                found += [part for part in narrow if part.removes]
                continue
        if whole is not None and whole.removes:
            found.append(whole)
    return sorted(found, key=lambda p: (-p.bad, -p.removes, p.override.entity, p.override.metric, p.override.width_s))


def _best(
    key: tuple[str, ...], width_s: int, rows: list[Mapping[str, Any]], history: list[Mapping[str, Any]], of_incident: Mapping[str, int]
) -> Proposal | None:
    bad = [float(r["score"] or 0.0) for r in rows if r["label"] == "bad"]
    good = [float(r["score"] or 0.0) for r in rows if r["label"] == "good"]
    if not bad:
        return None
    wanted = min(math.floor(max(bad) * 10 + 1) / 10, _HIGHEST)
    limit = min([wanted, *(math.floor(score * 10) / 10 for score in good)])
    removed = [r for r in history if (r["score"] or 0.0) < limit]
    gone: dict[str, int] = defaultdict(int)
    for r in removed:
        gone[r["incident_id"]] += 1
    return Proposal(
        Override(key[0], key[1], key[2], width_s, limit),
        bad=sum(score < limit for score in bad),
        removes=len(removed),
        misses=sum(score < limit for score in good),
        incidents=sum(1 for incident, n in gone.items() if incident and n == of_incident[incident]),
        kept_bad=sum(score >= limit for score in bad),
    )


def read_history(client: Any) -> list[dict[str, Any]]:
    """All stored anomalies of the series that have labels, and the incidents' other members."""
    query = """
        SELECT environment, entity, metric, width_s, score, incident_id FROM anomalies
        WHERE (environment, entity, metric) IN (
                SELECT environment, entity, metric FROM anomalies WHERE anomaly_id IN (SELECT anomaly_id FROM labels))
           OR incident_id IN (
                SELECT incident_id FROM anomalies WHERE incident_id != '' AND (environment, entity, metric) IN (
                    SELECT environment, entity, metric FROM anomalies WHERE anomaly_id IN (SELECT anomaly_id FROM labels)))"""
    result = client.query(query)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def apply(proposal: Proposal, path: Path, today: date) -> BudgetRules:
    """Write the override into budget.sql; the file stays as it was when it would not be right afterwards."""
    before = path.read_text() if path.is_file() else ""
    draft = path.with_suffix(".sql.new")
    draft.write_text((before if before.endswith("\n") or not before else before + "\n") + proposal.statement(today) + "\n")
    try:
        rules = read_rules(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return rules


def _literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{value:g}"
