"""Requests of a slice of time: who calls what, how long each hop takes, what goes wrong. Arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.generate.faults import Fault
from jobs.generate.topology import ENVIRONMENTS, MAX_EVENTS, Topology

__all__ = ["CLIENTS", "FORMATS", "Requests", "client_address", "daily_factor", "make_requests"]

CLIENTS = 5_000
"""Clients of the world; the busiest sends about every 45th request."""

FORMATS = ("json", "otlp", "nginx", "alb")

_DAY_S = 86_400
_DAILY_SWING = 0.6
_TIMEOUT_US = 1_000_000
_OUTCOMES = ((400, 0.010), (401, 0.004), (403, 0.002), (429, 0.002))
"""(status of a request that is refused, share of the requests)."""
_FAILS_BACKEND, _FAILS_TIMEOUT = 0.0006, 0.0002
_CALLER_FAILS_TOO = 0.95

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Requests:
    """Requests in order of their start; matrices are [request, MAX_EVENTS] with hops depth first."""

    start_us: Ints
    """Epoch microseconds."""
    route: Ints
    environment: Ints
    client: Ints
    format: Ints
    """Index in `FORMATS`."""
    count: Ints
    """Hops that took place: the first so many."""
    offset_us: Ints
    """Start of a hop after the request's start."""
    total_us: Ints
    """Duration of a hop with its calls."""
    status: Ints
    ids: npt.NDArray[np.uint64]
    """[request, 3]: words of the request ID and of the trace ID."""
    parameter: Ints
    """A number per request, which becomes the {id} of its paths."""


def client_address(client: int) -> str:
    """Address of a client."""
    return f"198.51.{client // 250}.{client % 250 + 1}"


def daily_factor(epoch_s: Floats) -> Floats:
    """Traffic over the day, mean 1: least at 3, most at 15 o'clock UTC."""
    factor: Floats = 1 + _DAILY_SWING * np.sin(2 * np.pi * (epoch_s % _DAY_S / _DAY_S - 9 / 24))
    return factor


def make_requests(
    rng: np.random.Generator,
    topology: Topology,
    *,
    world_start_us: int,
    from_s: float,
    to_s: float,
    requests_per_s: float,
    faults: Sequence[Fault] = (),
    daily: bool = False,
    mix: float = 0.0,
) -> Requests:
    """Requests that start in [from_s, to_s) after the world's start; a Poisson process.

    Cost: O(requests * MAX_EVENTS); about 1 microsecond per event.
    """
    near = [fault for fault in faults if fault.start_s < to_s and fault.end_s > from_s]
    surge = [fault.strength for fault in near if fault.kind == "traffic_surge"]
    most = (1 + _DAILY_SWING if daily else 1.0) * (np.prod(surge) if surge else 1.0)
    n = int(rng.poisson(requests_per_s * (to_s - from_s) * most))
    seconds = np.sort(rng.uniform(from_s, to_s, n))
    route = _pick(rng, topology.share, n)
    environment = _pick(rng, np.array([share for _, share, _ in ENVIRONMENTS]), n)
    if most > 1 or any(fault.kind == "traffic_drop" for fault in near):
        wanted = _intensity(topology, seconds, route, environment, near, world_start_us if daily else None)
        kept = rng.random(n) * most < wanted
        seconds, route, environment, n = seconds[kept], route[kept], environment[kept], int(kept.sum())

    client = _pick(rng, 1 / (np.arange(CLIENTS) + 8.0), n)
    count, status, timed_out = _outcomes(rng, topology, seconds, route, environment, near)
    own_us = _own_times(rng, topology, seconds, route, environment, near)
    own_us = np.where(timed_out, _TIMEOUT_US, own_us)
    offset_us, total_us = _call_times(topology, route, count, own_us)
    return Requests(
        start_us=world_start_us + (seconds * 1e6).astype(np.int64),
        route=route,
        environment=environment,
        client=client,
        format=_formats(rng, topology, route, mix),
        count=count,
        offset_us=offset_us,
        total_us=total_us,
        status=status,
        ids=rng.integers(0, 2**64, (n, 3), dtype=np.uint64),
        parameter=rng.integers(1, 1_000_000, n),
    )


def _pick(rng: np.random.Generator, weights: Floats, n: int) -> Ints:
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, rng.random(n), side="right"), len(weights) - 1)


def _intensity(
    topology: Topology, seconds: Floats, route: Ints, environment: Ints, faults: Sequence[Fault], day_start_us: int | None
) -> Floats:
    wanted = np.ones(len(seconds)) if day_start_us is None else daily_factor(seconds + day_start_us / 1e6)
    for fault in faults:
        if fault.kind in ("traffic_surge", "traffic_drop"):
            hit = fault.active(seconds, environment) & fault.reaches(topology).any(axis=1)[route]
            wanted[hit] *= fault.strength
    return wanted


def _outcomes(
    rng: np.random.Generator, topology: Topology, seconds: Floats, route: Ints, environment: Ints, faults: Sequence[Fault]
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    n = len(seconds)
    present = np.arange(MAX_EVENTS) < topology.count[route][:, None]
    status = np.full((n, MAX_EVENTS), 200)
    chance = rng.random((n, MAX_EVENTS))
    backend = np.full((n, MAX_EVENTS), _FAILS_BACKEND)
    timeout = np.full((n, MAX_EVENTS), _FAILS_TIMEOUT)
    refused = np.zeros((n, MAX_EVENTS))
    by_kind = {"errors_backend": backend, "errors_timeout": timeout, "errors_authentication": refused}
    for fault in faults:
        if fault.kind in by_kind:
            hit = fault.active(seconds, environment)[:, None] & fault.reaches(topology)[route]
            by_kind[fault.kind][hit] = fault.strength
    timed_out = present & (chance < timeout)
    status[timed_out] = 504
    status[(chance >= timeout) & (chance < timeout + backend)] = 503
    status[rng.random((n, MAX_EVENTS)) < refused] = 401

    first_refusal = np.where(status == 401, np.arange(MAX_EVENTS), MAX_EVENTS).min(axis=1)
    count = np.minimum(topology.count[route], first_refusal + 1)
    count, status = _refuse_some(rng, topology, route, count, status)
    _callers_fail_too(rng, topology, route, count, status)
    return count, status, timed_out


def _refuse_some(rng: np.random.Generator, topology: Topology, route: Ints, count: Ints, status: Ints) -> tuple[Ints, Ints]:
    """The everyday refusals: the gateway (or the check of the token) says no, and nothing further is called."""
    chance, below = rng.random(len(route)), 0.0
    for code, share in _OUTCOMES:
        hit = (chance >= below) & (chance < below + share) & ~topology.asset[route]
        below += share
        if code in (401, 403):
            hit &= topology.has_verify[route]
            count = np.where(hit, 2, count)
            status[hit, 1] = 401 if code == 401 else 200
        else:
            count = np.where(hit, 1, count)
        status[hit, 0] = code
    return count, status


def _callers_fail_too(rng: np.random.Generator, topology: Topology, route: Ints, count: Ints, status: Ints) -> None:
    """Failures climb from hop to caller; loops over the 7 hops that have a caller, last first."""
    passes_on: npt.NDArray[np.bool_] = np.less(rng.random(status.shape), _CALLER_FAILS_TOO)
    shown = {401: 401, 502: 502, 503: 502, 504: 504}
    for hop in range(MAX_EVENTS - 1, 0, -1):
        parent = topology.parent[route, hop]
        for code, caller_code in shown.items():
            rows = np.flatnonzero((hop < count) & (status[:, hop] == code) & passes_on[:, hop])
            rows = rows[status[rows, parent[rows]] == 200]
            status[rows, parent[rows]] = caller_code


def _own_times(
    rng: np.random.Generator, topology: Topology, seconds: Floats, route: Ints, environment: Ints, faults: Sequence[Fault]
) -> Floats:
    noise = rng.standard_normal((len(route), MAX_EVENTS))
    own: Floats = topology.own_us[route] * np.exp(topology.sigma[route] * noise)
    own *= np.array([factor for _, _, factor in ENVIRONMENTS])[environment][:, None]
    for fault in faults:
        if fault.kind in ("latency_step", "latency_spike"):
            hit = fault.active(seconds, environment)[:, None] & fault.reaches(topology)[route]
            own[hit] *= fault.strength
    return own


def _call_times(topology: Topology, route: Ints, count: Ints, own_us: Floats) -> tuple[Ints, Ints]:
    """Start and duration of each hop: half of its own time, its calls one after the other, the other half.

    So a child is always inside its parent. Loops over the hops, not the requests.
    """
    n = len(route)
    every = np.arange(n)
    own = np.maximum(own_us.astype(np.int64), 50)
    own[np.arange(MAX_EVENTS) >= count[:, None]] = 0
    total = own.copy()
    for hop in range(MAX_EVENTS - 1, 0, -1):
        total[every, np.maximum(topology.parent[route, hop], 0)] += total[:, hop]
    offset = np.zeros((n, MAX_EVENTS), np.int64)
    next_call = own // 2
    for hop in range(1, MAX_EVENTS):
        parent = np.maximum(topology.parent[route, hop], 0)
        offset[:, hop] = next_call[every, parent]
        next_call[every, parent] += total[:, hop]
        next_call[:, hop] += offset[:, hop]
    return offset, total


def _formats(rng: np.random.Generator, topology: Topology, route: Ints, mix: float) -> Ints:
    """Proxies log assets as nginx or ALB lines, the other requests of the share become OTLP spans."""
    chance = rng.random(len(route))
    proxy = np.where(chance < mix / 2, FORMATS.index("nginx"), FORMATS.index("alb"))
    other = np.where(topology.asset[route], proxy, FORMATS.index("otlp"))
    return np.where(chance < mix, other, 0)
