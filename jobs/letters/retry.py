"""Send letters again, each exactly once, also when the command is killed in between.

A letter is claimed in the store (with the position of the topic's end) before it is sent, and marked as sent after. Claims found at the
start are of a retry that was cut short: what arrived behind its position is marked, the rest is open again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs.letters.letters import Letter
from jobs.letters.transport import Transport
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.event import DEAD_LETTER_RETRY

__all__ = ["RetrySummary", "recover", "retry"]

_AT_ONCE = 10_000


@dataclass
class RetrySummary:
    """What a retry did."""

    sent: int = 0
    already_sent: int = 0
    """Left alone: sent by an earlier retry."""


def recover(client: Any, sink: ClickHouseSink, transport: Transport, now_ms: int) -> int:
    """Finish the claims of retries that were cut short; how many had arrived."""
    claims = client.query(
        "SELECT topic, partition, offset, line_index, position, is_mended, revision FROM dead_letter_retries"
        " WHERE state = 'claimed' AND sent_to = {target:String}",
        parameters={"target": transport.target},
    ).result_rows
    arrived: dict[str, set[str]] = {position: transport.arrived(position) for position in {claim[4] for claim in claims}}
    found = [claim for claim in claims if f"{claim[0]}/{claim[1]}/{claim[2]}/{claim[3]}" in arrived[claim[4]]]
    for is_mended in (False, True):
        for revision in {claim[6] for claim in found if claim[5] == is_mended}:
            keys = [claim[:4] for claim in found if claim[5] == is_mended and claim[6] == revision]
            _record(sink, keys, "sent", transport.target, "", is_mended, revision + 1, now_ms)
    return len(found)


def retry(
    client: Any, sink: ClickHouseSink, transport: Transport, letters: Sequence[Letter], lines: Sequence[bytes], now_ms: int
) -> RetrySummary:
    """Send lines in the place of letters.

    Parameters
    ----------
    client, sink
        The store, to read and to write.
    transport
        Takes the lines.
    letters, lines
        Letters and what is sent for each: its bytes, mended or not.
    now_ms
        Time of the retry.
    """
    recover(client, sink, transport, now_ms)
    summary = RetrySummary()
    states = _states(client)
    chosen = [(letter, line) for letter, line in zip(letters, lines, strict=True) if states.get(letter.key, ("", 0))[0] != "sent"]
    summary.already_sent = len(letters) - len(chosen)
    for start in range(0, len(chosen), _AT_ONCE):
        part = chosen[start : start + _AT_ONCE]
        position = transport.position()
        revision = 1 + max((states.get(letter.key, ("", 0))[1] for letter, _ in part), default=0)
        for is_mended in (False, True):
            keys = [letter.key for letter, line in part if (line != letter.original) == is_mended]
            _record(sink, keys, "claimed", transport.target, position, is_mended, revision, now_ms)
        transport.send([letter for letter, _ in part], [line for _, line in part])
        for is_mended in (False, True):
            keys = [letter.key for letter, line in part if (line != letter.original) == is_mended]
            _record(sink, keys, "sent", transport.target, "", is_mended, revision + 1, now_ms)
        summary.sent += len(part)
    return summary


def _states(client: Any) -> dict[tuple[str, int, int, int], tuple[str, int]]:
    rows = client.query("SELECT topic, partition, offset, line_index, state, revision FROM dead_letter_retries").result_rows
    return {tuple(row[:4]): (row[4], row[5]) for row in rows}


def _record(
    sink: ClickHouseSink, keys: Sequence[Any], state: str, sent_to: str, position: str, is_mended: bool, revision: int, now_ms: int
) -> None:
    if not keys:
        return
    n = len(keys)
    columns = {
        "retried_at": pa.repeat(pa.scalar(now_ms, DEAD_LETTER_RETRY.arrow.field("retried_at").type), n),
        "topic": pa.array([key[0] for key in keys], pa.string()),
        "partition": pa.array([key[1] for key in keys], pa.int32()),
        "offset": pa.array([key[2] for key in keys], pa.int64()),
        "line_index": pa.array([key[3] for key in keys], pa.int32()),
        "state": pa.repeat(pa.scalar(state), n),
        "sent_to": pa.repeat(pa.scalar(sent_to), n),
        "position": pa.repeat(pa.scalar(position), n),
        "is_mended": pa.repeat(pa.scalar(is_mended), n),
        "revision": pa.array([revision] * n, pa.int32()),
    }
    sink.insert(DEAD_LETTER_RETRY, pa.table(columns))
