"""Assembly once more, plainly: one event after the other, dictionaries, no arrays. Slow, and easy to read.

It does not know `assemble_max_rows` and `assemble_max_events`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.knobs import Knobs

Event = dict[str, Any]


@dataclass
class _Transaction:
    first_ms: int
    last_ms: int
    closed_ms: int | None = None
    reason: str = ""
    is_stale: bool = False
    duplicates: int = 0
    late: int = 0
    events: dict[int, Event] = field(default_factory=dict)


class Twin:
    """The same contract as `on_batch`, over lists of dictionaries with `content` (the hash that stands for an event)."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.held: dict[str, _Transaction] = {}

    def tick(self, events: list[Event], now_ms: int) -> tuple[dict[int, tuple[bool, bool]], list[dict[str, Any]]]:
        """Flags (is_duplicate, is_late) by offset, and transaction rows in order."""
        out = self._close(now_ms - 1)
        flags: dict[int, tuple[bool, bool]] = {}
        touched: dict[str, bool] = {}
        alone = []
        old_ms = now_ms - self.knobs.assemble_late_horizon
        new = {}
        for event in sorted(events, key=lambda e: (e["arrived_at"], e["topic"], e["partition"], e["offset"], e["line_index"])):
            name = event["transaction_id"]
            if not name:
                flags[event["offset"]] = (False, False)
                continue
            if not event["request_id"] and not event["trace_id"]:
                flags[event["offset"]] = (False, False)
                alone.append((name, _Transaction(now_ms, now_ms, now_ms, "complete", events={event["content"]: event})))
                continue
            known = self.held.get(name)
            if known and known.closed_ms is not None and known.closed_ms + self.knobs.assemble_late_horizon < now_ms:
                known = None
            if known is None:
                known = self.held[name] = new[name] = _Transaction(now_ms, now_ms)
            is_repeat = event["content"] in known.events
            is_late = known.closed_ms is not None
            flags[event["offset"]] = (is_repeat, is_late)
            if is_late:
                known.late += 1
                touched[name] = True
            if is_repeat:
                known.duplicates += 1
            else:
                known.events[event["content"]] = event
                known.last_ms = now_ms
        for transaction in new.values():
            transaction.is_stale = max(e["timestamp"] // 1000 for e in transaction.events.values()) < old_ms
        for event in events:
            known = self.held.get(event["transaction_id"])
            if known and known.is_stale and event["timestamp"] // 1000 < old_ms:
                flags[event["offset"]] = (flags[event["offset"]][0], True)
        out += [_row(name, transaction) for name, transaction in alone]
        out += [_row(name, self.held[name]) for name in touched]
        return flags, out + self._close(now_ms)

    def _close(self, now_ms: int) -> list[dict[str, Any]]:
        out = []
        for name, transaction in self.held.items():
            if transaction.closed_ms is not None:
                continue
            whole = _is_whole(list(transaction.events.values()))
            wait = self.knobs.assemble_complete_wait if whole else self.knobs.assemble_idle_wait
            due = min(transaction.last_ms + wait, transaction.first_ms + self.knobs.assemble_max_wait)
            if due <= now_ms:
                transaction.closed_ms = due
                transaction.reason = "complete" if whole else "timed_out"
                out.append(_row(name, transaction))
        return out


def _nodes(events: list[Event]) -> list[Event]:
    return [e for e in events if e["kind"] != "log" and e["span_id"]]


def _roots(events: list[Event]) -> list[Event]:
    """Nodes without a parent, unless another node of the same span_id names one."""
    nodes = _nodes(events)
    with_parent = {e["span_id"] for e in nodes if e["parent_span_id"]}
    return [e for e in nodes if e["span_id"] not in with_parent]


def _orphans(events: list[Event]) -> list[Event]:
    """Events that name a parent which is not there."""
    spans = {e["span_id"] for e in _nodes(events)}
    return [e for e in _nodes(events) if e["parent_span_id"] and e["parent_span_id"] not in spans]


def _is_whole(events: list[Event]) -> bool:
    return len({e["span_id"] for e in _roots(events)}) == 1 and not _orphans(events)


def _time_order(event: Event) -> tuple[int, float, int]:
    return event["timestamp"], -(event["duration_ms"] or 0.0), event["content"]


def _is_caller(event: Event) -> bool:
    return event["span_kind"] in ("client", "producer")


@dataclass
class _Call:
    spans: set[str] = field(default_factory=set)
    errors: int = 0
    duration_ms: float = 0.0


def _stands_for(events: list[Event]) -> dict[str, Event]:
    """Of the nodes that share a span_id the callee's half, then the first."""
    found: dict[str, Event] = {}
    for event in sorted(_nodes(events), key=_is_caller):  # stable
        found.setdefault(event["span_id"], event)
    return found


def _calls(events: list[Event]) -> dict[str, _Call]:
    stands_for = _stands_for(events)
    calls: dict[str, _Call] = {}
    for event in _nodes(events):
        pairs = []
        if event["parent_span_id"] in stands_for:
            pairs.append((stands_for[event["parent_span_id"]]["service_name"], event))
        if _is_caller(event):
            pairs.append((event["service_name"], stands_for[event["span_id"]]))
        for caller, callee in sorted(pairs, key=lambda pair: events.index(pair[1])):
            if caller and callee["service_name"] and caller != callee["service_name"]:
                call = calls.setdefault(f"{caller}>{callee['service_name']}", _Call())
                if callee["span_id"] not in call.spans:
                    call.spans.add(callee["span_id"])
                    call.errors += bool(callee["error_category"])
                    call.duration_ms += callee["duration_ms"] or 0.0
    return calls


def _retries(events: list[Event]) -> int:
    stands_for = _stands_for(events)
    last: dict[tuple[Any, ...], Event] = {}
    count = 0
    for event in _nodes(events):
        if event["parent_span_id"] in stands_for:
            side = {"client": 1, "producer": 1, "server": 2, "consumer": 2}.get(event["span_kind"], 0)
            key = (event["parent_span_id"], event["service_name"], event["http_route"] or event["span_name"], side)
            before = last.get(key)
            if before and before["error_category"] and before["span_id"] != event["span_id"]:
                count += before["timestamp"] + int((before["duration_ms"] or 0.0) * 1000.0) <= event["timestamp"]
            last[key] = event
    return count


def _depth(events: list[Event]) -> int:
    stands_for = _stands_for(events)
    deepest = 0
    for event in _nodes(events):
        depth, at = 1, event
        while at["parent_span_id"] in stands_for and depth < 256:
            depth, at = depth + 1, stands_for[at["parent_span_id"]]
        deepest = max(deepest, depth)
    return deepest


def _row(name: str, transaction: _Transaction) -> dict[str, Any]:
    events = sorted(transaction.events.values(), key=_time_order)
    roots, orphans, nodes = _roots(events), _orphans(events), _nodes(events)
    root = min(roots, key=lambda e: (e["timestamp"], e["span_id"], _is_caller(e), _time_order(e))) if roots else None
    by_kind = [e for kind in ("access", "span", "log") for e in events if e["kind"] == kind]
    lead = root or by_kind[0]
    started = min(e["timestamp"] for e in events)
    ended = max(e["timestamp"] + round((e["duration_ms"] or 0.0) * 1000) for e in events)
    errors = [e for e in events if e["error_category"]]
    statuses = [e["http_response_status_code"] for e in events if e["http_response_status_code"] is not None]
    own_status = root["http_response_status_code"] if root else None
    calls = _calls(events)
    kind = ""
    if nodes:
        several = len({e["span_id"] for e in roots}) > 1
        kind = "no_root" if not roots else "missing_parent" if orphans else "many_roots" if several else ""
        serving = {e["service_name"] for e in events if e["span_kind"] in ("server", "consumer")}
        headless = [e for e in orphans if e["span_kind"] not in ("server", "consumer") and e["service_name"] not in serving]
        if kind == "missing_parent" and headless:
            kind = "no_server_span"
        if kind and transaction.is_stale:
            kind = "late_beyond_horizon"
    return {
        "transaction_id": name,
        "environment": lead["environment"],
        "request_id": _first([*roots, *events], "request_id"),
        "trace_id": _first([*roots, *events], "trace_id"),
        "revision": transaction.late + (0 if transaction.is_stale else 1),
        "root_span_id": root["span_id"] if root else "",
        "root_service": lead["service_name"],
        "root_route": lead["http_route"] or lead["span_name"],
        "services": list(dict.fromkeys(e["service_name"] for e in events if e["service_name"])),
        "calls": list(calls),
        "call_counts": [len(call.spans) for call in calls.values()],
        "call_error_counts": [call.errors for call in calls.values()],
        "call_duration_ms": [call.duration_ms for call in calls.values()],
        "started_at": started,
        "ended_at": ended,
        "duration_ms": root["duration_ms"] if root and root["duration_ms"] is not None else (ended - started) / 1000,
        "http_response_status_code": own_status if own_status is not None else (statuses or [None])[0],
        "error_category": root["error_category"] if root else _first(events, "error_category"),
        "event_count": len(events),
        "span_count": sum(e["kind"] == "span" for e in events),
        "error_count": len(errors),
        "retry_count": _retries(events),
        "depth": _depth(events),
        "duplicate_count": transaction.duplicates,
        "late_count": transaction.late,
        "moved_count": 0,
        "orphan_count": len(orphans),
        "orphan_kind": kind,
        "closure_reason": transaction.reason,
        "waited_ms": (transaction.closed_ms or 0) - transaction.first_ms,
        "merged_into": "",
        "first_arrived_at": transaction.first_ms,
        "closed_at": transaction.closed_ms,
        "is_error": bool(root["error_category"]) if root else bool(errors),
    }


def _first(events: list[Event], name: str) -> str:
    return next((e[name] for e in events if e[name]), "")
