"""Inside one transaction: who called whom (also where nobody says so), own time, critical path, retries, clocks that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Place", "Step", "look_inside"]

Times = NDArray[np.float64]
_CALLING, _SERVING = ("client", "producer"), ("server", "consumer")
_SLACK_MS = 1.0
"""Access logs round: a line may stick out of its caller's by so much."""


@dataclass(frozen=True)
class Step:
    """One event, with the fields of EVENT that tell where it belongs."""

    span_id: str
    parent_span_id: str
    span_kind: str
    service: str
    host: str
    """Pod or machine; its service stands for it where it is ''."""
    name: str
    start_ms: float
    """After the transaction's start, by the clock of the step's own host."""
    duration_ms: float
    is_error: bool
    server_address: str = ""
    is_log: bool = False


@dataclass(frozen=True)
class Place:
    """Where a step belongs. Steps are numbered as given; -1 = none."""

    parent: int = -1
    is_inferred: bool = False
    """The parent is the step of another service that encloses it most tightly; no event names it."""
    depth: int = 0
    shift_ms: float = 0.0
    """Add to the start to have the clock of the root's host."""
    self_ms: float = 0.0
    """Time in which no child was at work."""
    is_critical: bool = False
    """On the critical path: had it been shorter, so had the transaction."""
    retry_of: int = -1
    """The failed call that this one repeats."""
    other_half: int = -1
    """The serving step of this calling one, and the reverse."""
    fan_out: int = 0
    """Most of its children that were at work at the same time."""


def look_inside(steps: Sequence[Step]) -> list[Place]:
    """Find the place of each step of a transaction.

    Where parents are unknown (access lines, orphans) the order is inferred from times: the parent is the tightest step that contains it;
    one whose `server_address` names the service goes first. Clocks are compared by the pairs of calling and serving spans: a serving
    one must lie within its calling one, so each pair bounds the difference of their hosts; the middle of what all pairs allow is taken,
    and 0 where 0 is allowed.

    Cost: the square of the number of steps without a known parent, else a sort; for reports, not for streams.
    """
    if not steps:
        return []
    known = _known_parents(steps)
    pairs = [(p, i) for i, p in enumerate(known) if p >= 0 and _is_pair(steps[p], steps[i])]
    shift = _shifts(steps, pairs)
    start = np.array([s.start_ms for s in steps]) + shift
    end = start + np.array([max(s.duration_ms, 0.0) for s in steps])
    parent = _inferred_parents(steps, known, start, end)
    children: list[list[int]] = [[] for _ in steps]
    for i in np.lexsort((-end, start)):
        if parent[i] >= 0:
            children[parent[i]].append(int(i))
    half = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    critical, retries = _critical(steps, parent, children, start, end), _retries(steps, children, start, end)
    places = []
    for i in range(len(steps)):
        spans = [(max(start[c], start[i]), min(end[c], end[i])) for c in children[i] if not steps[c].is_log]
        busy, fan_out = _busy([(a, b) for a, b in spans if b > a])
        own = max(float(end[i] - start[i]) - busy, 0.0)
        places.append(
            Place(parent[i], parent[i] != known[i], 0, float(shift[i]), own, i in critical, retries.get(i, -1), half.get(i, -1), fan_out)
        )
    return [replace(place, depth=_depth(parent, i)) for i, place in enumerate(places)]


def _known_parents(steps: Sequence[Step]) -> list[int]:
    """What the events say. A serving span that shares its id with a calling one is the child of it."""
    calling: dict[str, int] = {}
    stands_for: dict[str, int] = {}
    for i, step in enumerate(steps):
        if step.span_id and not step.is_log:
            if step.span_kind in _CALLING:
                calling.setdefault(step.span_id, i)
            else:
                stands_for.setdefault(step.span_id, i)
    found: list[int] = []
    for i, step in enumerate(steps):
        shared = calling.get(step.span_id, -1) if step.span_kind in _SERVING else -1
        wanted = step.span_id if step.is_log else step.parent_span_id
        own = stands_for.get(wanted, calling.get(wanted, -1)) if wanted else -1
        parent = shared if shared >= 0 else own
        found.append(parent if parent >= 0 and not _is_above(found, i, parent) else -1)
    return found


def _is_above(parents: Sequence[int], one: int, start: int) -> bool:
    """Whether going up from `start` leads to `one`: it must not become its child."""
    at = start
    while at >= 0 and at != one:
        at = parents[at] if at < len(parents) else -1
    return at == one


def _is_pair(caller: Step, callee: Step) -> bool:
    return caller.span_kind == "client" and callee.span_kind == "server" and caller.service != callee.service


def _shifts(steps: Sequence[Step], pairs: Sequence[tuple[int, int]]) -> Times:
    """What to add to the times of each step's host, walking from caller to callee."""
    hosts = [step.host or step.service for step in steps]
    bounds: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for c, s in pairs:
        if hosts[c] != hosts[s]:
            low, high = bounds.setdefault((hosts[c], hosts[s]), ([], []))
            low.append(steps[c].start_ms - steps[s].start_ms)
            high.append(low[-1] + steps[c].duration_ms - steps[s].duration_ms)
    shift: dict[str, float] = {}
    callees = {callee for _, callee in bounds}
    edge = [host for host in dict.fromkeys(hosts) if host not in callees] or hosts[:1]
    shift.update(dict.fromkeys(edge, 0.0))
    while edge:
        here = edge.pop(0)
        for (caller, callee), (low, high) in bounds.items():
            if caller == here and callee not in shift:
                shift[callee] = shift[here] + _difference(max(low), min(high), float(np.median(low)))
                edge.append(callee)
    return np.array([shift.get(host, 0.0) for host in hosts])


def _difference(low: float, high: float, otherwise: float) -> float:
    if low > high:  # the callee goes on after it answered, or clocks drift: starts are all there is
        return 0.0 if abs(otherwise) <= _SLACK_MS else otherwise
    return 0.0 if low - _SLACK_MS <= 0.0 <= high + _SLACK_MS else (low + high) / 2


def _inferred_parents(steps: Sequence[Step], known: Sequence[int], start: Times, end: Times) -> list[int]:
    """The known parents, and those that times suggest where none is known."""
    parent = list(known)
    order = np.lexsort((np.arange(len(steps)), start - end, start))
    rank = np.empty(len(steps), np.int64)
    rank[order] = np.arange(len(steps))
    for i in order:
        step = steps[i]
        if parent[i] >= 0:
            continue
        is_root = bool(step.span_id) and not step.parent_span_id
        inside = (start <= start[i] + _SLACK_MS) & (end >= end[i] - _SLACK_MS) & (rank < rank[i])
        best, best_key = -1, (True, np.inf)
        for j in np.flatnonzero(inside):
            other = steps[j]
            line_in_span = not step.span_id and bool(other.span_id)
            if other.is_log or (other.service == step.service and not line_in_span and not step.is_log) or (is_root and other.span_id):
                continue
            key = (not _asks_for(other, step), float(end[j] - start[j]))
            if key < best_key and not _is_above(parent, int(i), int(j)):
                best, best_key = int(j), key
        parent[i] = best
    return parent


def _asks_for(caller: Step, callee: Step) -> bool:
    """The caller's address names the callee's service, as cart.shop.svc:8080 does cart."""
    return caller.span_kind in _CALLING and bool(callee.service) and caller.server_address.split(":")[0].split(".")[0] == callee.service


def _critical(steps: Sequence[Step], parent: Sequence[int], children: Sequence[Sequence[int]], start: Times, end: Times) -> set[int]:
    """From the end of the longest root backwards: of what runs, the child that ended last is what was waited for."""
    roots = [i for i, p in enumerate(parent) if p < 0 and not steps[i].is_log]
    if not roots:
        return set()
    todo = [max(roots, key=lambda i: (end[i] - start[i], -i))]
    critical = set(todo)
    while todo:
        here = todo.pop()
        until = end[here]
        for child in sorted((c for c in children[here] if not steps[c].is_log), key=lambda c: (-end[c], start[c], c)):
            if end[child] <= until + 1e-9 and end[child] > start[here]:
                critical.add(child)
                todo.append(child)
                until = start[child]
    return critical


def _retries(steps: Sequence[Step], children: Sequence[Sequence[int]], start: Times, end: Times) -> dict[int, int]:
    """Step -> the failed step it repeats: same parent, service, kind and name, begun after that one's end."""
    found: dict[int, int] = {}
    for siblings in children:
        last: dict[tuple[str, str, str], int] = {}
        for child in siblings:
            step = steps[child]
            key = (step.service, step.span_kind, step.name)
            before = last.get(key, -1)
            if before >= 0 and not step.is_log and steps[before].is_error and end[before] <= start[child]:
                found[child] = before
            last[key] = child
    return found


def _busy(spans: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """Time covered by at least one span, and the most at once."""
    edges = sorted([(a, 1) for a, _ in spans] + [(b, -1) for _, b in spans])
    covered, open_now, most, since = 0.0, 0, 0, 0.0
    for at, step in edges:
        if open_now:
            covered += at - since
        open_now, since = open_now + step, at
        most = max(most, open_now)
    return covered, most


def _depth(parent: Sequence[int], one: int) -> int:
    depth, at = 0, parent[one]
    while at >= 0:
        depth, at = depth + 1, parent[at]
    return depth
