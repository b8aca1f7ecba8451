"""Labels: what people said of anomalies, as rows in the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from jobs.sinks.clickhouse import ClickHouseSink
from schemas.errors import AnomasecError
from schemas.point import LABEL

__all__ = ["LABELS", "label", "read_labelled"]

LABELS = ("good", "bad")
_SHORTEST = 6


def label(
    client: Any, sink: ClickHouseSink, name: str, said: str, note: str, author: str, now: datetime, is_incident: bool = False
) -> list[str]:
    """Label an anomaly, or all anomalies of an incident; returns the ids of the anomalies.

    Parameters
    ----------
    name
        Id of an anomaly, or the first digits of it (6 at least).
    said
        good or bad.
    is_incident
        `name` is that of an incident.

    Raises
    ------
    AnomasecError
        No such id, or more than one begins so.
    """
    if len(name) < _SHORTEST:
        raise AnomasecError(f"'{name}' is too short for an id", f"give {_SHORTEST} digits at least")
    column = "incident_id" if is_incident else "anomaly_id"
    query = f"SELECT DISTINCT {column} FROM anomalies WHERE startsWith({column}, {{name:String}}) LIMIT 2"
    whole = [row[0] for row in client.query(query, parameters={"name": name}).result_rows]
    if len(whole) > 1:
        raise AnomasecError(f"more than one {column} begins with {name}", "give more digits")
    if not whole:
        raise AnomasecError(f"no {column} {name}", 'look for it: anomasec sql "SELECT anomaly_id, incident_id, reason FROM anomalies"')
    found = client.query(
        f"SELECT anomaly_id FROM anomalies WHERE {column} = {{name:String}} ORDER BY anomaly_id", parameters={"name": whole[0]}
    )
    ids = [row[0] for row in found.result_rows]
    rows = [
        {"anomaly_id": one, "label": said, "note": note, "author": author, "labelled_at": now, "revision": int(now.timestamp() * 1000)}
        for one in ids
    ]
    sink.insert(LABEL, pa.Table.from_pylist(rows, schema=LABEL.arrow))
    return ids


def read_labelled(client: Any) -> list[dict[str, Any]]:
    """Labelled anomalies: identity, score, incident and label."""
    query = """
        SELECT a.anomaly_id AS anomaly_id, a.environment AS environment, a.entity_kind AS entity_kind, a.entity AS entity,
               a.metric AS metric, a.width_s AS width_s, a.score AS score, a.incident_id AS incident_id, l.label AS label, l.note AS note
        FROM labels AS l INNER JOIN anomalies AS a ON a.anomaly_id = l.anomaly_id
        ORDER BY anomaly_id"""
    result = client.query(query)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]
