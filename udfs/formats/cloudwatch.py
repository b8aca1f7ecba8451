"""CloudWatch Logs subscriptions: an object with the lines of a log group, each of any format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html:
`{"messageType": "DATA_MESSAGE", "logGroup": .., "logStream": .., "logEvents": [{"id": .., "timestamp": epoch ms, "message": ".."}]}`.
A message of no known format becomes a log record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.json_values import read_json_times, read_texts
from udfs.formats.parsed import Parsed, Refusal

__all__ = ["is_subscription", "read_subscriptions"]

_UNKNOWN = frozenset({"unknown_format", "not_access"})


def is_subscription(value: dict[str, Any]) -> bool:
    """Whether an object is a message of a subscription."""
    return isinstance(value.get("logEvents"), list) and isinstance(value.get("messageType"), str)


def read_subscriptions(messages: Sequence[dict[str, Any]], line: NDArray[Any], read: Callable[[pa.Array], list[Parsed]]) -> list[Parsed]:
    """Events of the lines within; `position` numbers them.

    Parameters
    ----------
    line : int64[n], the input line of each message
    read : reads lines (large_binary) of any format
    """
    lists = [[event for event in message["logEvents"] if isinstance(event, dict)] for message in messages]
    empty = np.array([not events for events in lists], bool)
    results = []
    if empty.any():
        reason = Refusal("not_access", "a message of CloudWatch Logs without log events")
        results.append(Parsed(line[empty], refused=dict.fromkeys(range(int(empty.sum())), reason)))
    events = [event for own in lists for event in own]
    if not events:
        return results
    owner = np.repeat(np.arange(len(lists)), [len(own) for own in lists])
    texts = pc.fill_null(read_texts([event.get("message") for event in events]), "")
    texts = pc.utf8_rtrim(texts, "\r\n")
    # A line end within would part a message that is one event.
    lines = pc.replace_substring(texts, "\n", " ").cast(pa.large_binary())
    times, bad = read_json_times([event.get("timestamp") for event in events])
    inner = read(lines)
    width = np.ones(len(events), np.int64)
    for result in inner:
        if result.position is not None and len(result.line):
            np.maximum.at(width, result.line, result.position + 1)
    before = np.cumsum(width) - width
    before -= before[np.searchsorted(owner, owner)]
    for result in [*inner, *_logs_of(inner, texts)]:
        places = result.line
        if result.columns:
            given = result.columns.get("timestamp")
            own = times.take(pa.array(places))
            result.columns["timestamp"] = own if given is None else pc.coalesce(given, own)
        for row, refusal in result.refused.items():
            if refusal.original is None:
                result.refused[row] = refusal._replace(original=texts[int(places[row])].as_py().encode())
        if bad is not None and result.columns:
            result.refuse(bad[places], "invalid_timestamp")
        result.position = before[places] + (0 if result.position is None else result.position)
        result.line = line[owner[places]]
        results.append(result)
    return [result for result in results if len(result.line)]


def _logs_of(results: list[Parsed], texts: pa.Array) -> list[Parsed]:
    """Log records of the messages that no format takes, which are taken out of the results."""
    unknown: list[int] = []
    for result in results:
        if result.columns or result.position is not None:
            continue
        # '[INFO] ..' was tried as JSON too.
        starts = pc.starts_with(texts.take(pa.array(result.line)), "[").to_numpy(zero_copy_only=False)
        rows = [row for row, why in result.refused.items() if why.reason in _UNKNOWN or (why.reason == "invalid_json" and starts[row])]
        if rows:
            unknown.extend(result.line[rows].tolist())
            keep = np.ones(len(result.line), bool)
            keep[rows] = False
            kept = np.flatnonzero(keep).tolist()
            result.refused = {place: result.refused[row] for place, row in enumerate(kept)}
            result.line = result.line[keep]
    if not unknown:
        return []
    places = np.array(sorted(unknown), np.int64)
    n = len(places)
    logs = Parsed(places)
    logs.columns.update(
        body=texts.take(pa.array(places)), kind=pa.repeat(pa.scalar("log"), n), format=pa.repeat(pa.scalar("cloudwatch"), n)
    )
    return [logs]
