"""Dead letters as the store has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.errors import AnomasecError

__all__ = ["Letter", "Selection", "list_letters", "read_letters"]

_IDENTITY = "topic, partition, offset, line_index"


@dataclass(frozen=True)
class Letter:
    """One line (or one record of an export) that could not be read."""

    topic: str
    partition: int
    offset: int
    line_index: int
    arrived_at: datetime
    reason: str
    detail: str
    original: bytes
    state: str = ""
    """Of its retry: '' = never sent again, claimed, sent."""

    @property
    def name(self) -> str:
        """Identity as `show` prints it and `retry` takes it: topic/partition/offset/line."""
        return f"{self.topic}/{self.partition}/{self.offset}/{self.line_index}"

    @property
    def key(self) -> tuple[str, int, int, int]:
        """Identity."""
        return self.topic, self.partition, self.offset, self.line_index


@dataclass(frozen=True)
class Selection:
    """Which letters are meant; what is '' or empty does not narrow."""

    reason: str = ""
    topic: str = ""
    names: tuple[str, ...] = ()
    last_s: float | None = None
    """Arrived within this time before the newest letter."""
    limit: int | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """Condition and its parameters.

        Raises
        ------
        AnomasecError
            A name that is no identity.
        """
        parts, values = ["1"], dict[str, Any]()
        if self.reason:
            parts.append("reason = {reason:String}")
            values["reason"] = self.reason
        if self.topic:
            parts.append("topic = {topic:String}")
            values["topic"] = self.topic
        if self.last_s is not None:
            parts.append("arrived_at >= (SELECT max(arrived_at) FROM dead_letters) - toIntervalMillisecond({last:UInt64})")
            values["last"] = int(self.last_s * 1000)
        if self.names:
            keys = [_key(name) for name in self.names]
            listed = " OR ".join(
                f"(topic = {{topic{n}:String}} AND partition = {partition} AND offset = {offset} AND line_index = {line})"
                for n, (_, partition, offset, line) in enumerate(keys)
            )
            parts.append(f"({listed})")
            values |= {f"topic{n}": key[0] for n, key in enumerate(keys)}
        return " AND ".join(parts), values


def list_letters(client: Any, selection: Selection) -> list[dict[str, Any]]:
    """Counts by reason and topic: count, open (not yet sent again), first, last, and the detail of one. Most frequent first."""
    where, values = selection.where()
    result = client.query(
        "SELECT reason, topic, count() AS letters, countIf(r.state != 'sent') AS open, min(arrived_at) AS first, max(arrived_at) AS last,"
        f" any(detail) AS example FROM (SELECT * FROM dead_letters WHERE {where}) AS d"
        f" LEFT JOIN (SELECT {_IDENTITY}, state FROM dead_letter_retries) AS r USING ({_IDENTITY})"
        " GROUP BY reason, topic ORDER BY letters DESC, reason, topic",
        parameters=values,
    )
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def read_letters(client: Any, selection: Selection, only_open: bool = False) -> list[Letter]:
    """Letters with their bytes, in the order of their arrival."""
    where, values = selection.where()
    limit = f" LIMIT {int(selection.limit)}" if selection.limit is not None else ""
    result = client.query(
        f"SELECT {_IDENTITY}, arrived_at, reason, detail, original, r.state"
        f" FROM (SELECT * FROM dead_letters WHERE {where}) AS d"
        f" LEFT JOIN (SELECT {_IDENTITY}, state FROM dead_letter_retries) AS r USING ({_IDENTITY})"
        f"{' WHERE r.state != {sent:String}' if only_open else ''} ORDER BY arrived_at, {_IDENTITY}{limit}",
        parameters={**values, "sent": "sent"},
        column_formats={"original": "bytes"},
    )
    return [Letter(*row) for row in result.result_rows]


def _key(name: str) -> tuple[str, int, int, int]:
    topic, _, rest = name.rpartition("/")
    parts = name.rsplit("/", 3)
    if len(parts) != 4 or not topic or not rest or not all(part.lstrip("-").isdigit() for part in parts[1:]):
        raise AnomasecError(
            f"'{name}' names no dead letter", "write TOPIC/PARTITION/OFFSET/LINE, as `anomasec dead-letters show` prints it"
        )
    return parts[0], int(parts[1]), int(parts[2]), int(parts[3])
