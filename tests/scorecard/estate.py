"""A simulated estate: routes with seasons, noise, deploys and flash crowds, their baselines and scores; all routes at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "Baseline", "Estate", "Fault", "Scored", "score"]

METRICS = ("request_rate", "error_ratio", "latency_ms_p50", "latency_ms_p99")
_RATE, _ERRORS, _P50, _P99 = range(4)
_DAY_S = 86_400.0
# rules of score.sql: threshold, least relative and absolute effect, direction
_THRESHOLD = np.array([75.0, 70.0, 70.0, 70.0])
_RELATIVE = np.array([0.5, 0.5, 0.25, 0.25])
_ABSOLUTE = np.array([0.5, 0.02, 5.0, 5.0])
_BOTH = np.array([True, False, False, False])
_ROUTES_PER_SERVICE = 10


@dataclass(frozen=True)
class Fault:
    """One fault on one route: what it does to the four metrics, as factors (errors: added) by seconds since its start."""

    kind: str
    size: float
    route: int
    start_s: float
    length_s: float

    def effect(self, at_s: float, noise: float) -> tuple[float, float, float, float]:
        """(rate factor, errors added, p50 factor, p99 factor); `noise` is uniform -1..1."""
        since = at_s - self.start_s
        if not 0 <= since < self.length_s:
            return 1.0, 0.0, 1.0, 1.0
        grown = since / self.length_s
        more = self.size - 1.0
        return {
            "latency spike": (1.0, 0.0, self.size, self.size),
            "latency step": (1.0, 0.0, self.size, self.size),
            "latency drift": (1.0, 0.0, 1.0 + more * grown, 1.0 + more * grown),
            "latency oscillation": (1.0, 0.0, *(2 * (1.0 + more * max(np.sin(2 * np.pi * since / 600), 0.0),))),
            "latency variance": (1.0, 0.0, *(2 * (self.size**noise if self.size > 0 else 1.0,))),
            "tail only": (1.0, 0.0, 1.0, self.size),
            "two modes": (1.0, 0.0, 1.0 if noise < 0 else self.size, self.size),
            "errors": (1.0, self.size, 1.0, 1.0),
            "traffic surge": (self.size, 0.0, 1.0, 1.0),
            "traffic drop": (self.size, 0.0, 1.0, 1.0),
        }[self.kind]


class Estate:
    """Values of all routes by time; the same seed gives the same estate."""

    def __init__(self, routes: int, days: float, seed: int = 1, deploys_per_week: float = 2.0, crowds_per_week: float = 2.0) -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.routes, self.services = routes, max(routes // _ROUTES_PER_SERVICE, 1)
        self.service_of = np.arange(routes) % self.services
        self.rate = rng.lognormal(1.5, 1.0, routes).clip(0.3, 200)
        self.errors = rng.choice([0.0005, 0.003, 0.01], routes)
        self.latency = rng.lognormal(4.0, 0.7, routes)
        self.tail = rng.uniform(3.0, 8.0, routes)
        self.day = rng.uniform(0.1, 0.7, routes)
        self.phase = rng.normal(0.0, 0.05, routes)
        self.weekend = rng.uniform(0.4, 1.0, routes)
        self.wander = rng.uniform(0.02, 0.15, routes)
        self.freaks = rng.choice([1e-5, 1e-4, 1e-3], routes, p=[0.6, 0.3, 0.1])
        self.state = np.zeros((3, routes))
        weeks = days / 7
        # (service, start, size)
        self.deploys = [
            (int(rng.integers(self.services)), rng.uniform(0, days * _DAY_S), rng.normal(0.0, 0.08), rng.random())
            for _ in range(rng.poisson(deploys_per_week * weeks * self.services))
        ]
        self.crowds = [
            (int(rng.integers(self.services)), rng.uniform(0, days * _DAY_S), rng.uniform(1.3, 3.0))
            for _ in range(rng.poisson(crowds_per_week * weeks))
        ]
        self.level = np.ones(routes)
        self._deployed: set[int] = set()

    def values(self, at_s: float, width_s: float, faults: list[Fault]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values float64[4, routes] of the window that starts then, and its requests float64[routes]."""
        rng = self.rng
        season = 1.0 + self.day * np.sin(2 * np.pi * (at_s / _DAY_S - 0.3 + self.phase))
        if int(at_s // _DAY_S) % 7 >= 5:
            season = season * self.weekend
        keep = np.exp(-width_s / 1200.0)
        self.state = keep * self.state + np.sqrt(1 - keep**2) * rng.standard_normal(self.state.shape)
        rate = self.rate * season * np.exp(self.wander * self.state[0])
        errors = self.errors * np.exp(0.5 * self.state[1])
        slow = np.exp(0.6 * self.wander * self.state[2]) * (1.0 + 0.1 * (season - 1.0)) * self.level
        tail = np.ones(self.routes)
        for i, (service, start, shift, luck) in enumerate(self.deploys):
            if not start <= at_s < start + 240:
                continue
            touched = self.service_of == service
            if i not in self._deployed:
                self._deployed.add(i)
                self.level[touched] = np.clip(self.level[touched] * (1.0 + shift), 0.6, 1.6)
            if luck < 0.3:  # restarts: cold caches and a few refused connections
                slow = np.where(touched, slow * 1.5, slow)
                errors = np.where(touched, errors + 0.02 * luck, errors)
        for service, start, size in self.crowds:
            if start <= at_s < start + 2400:
                touched = self.service_of == service
                crowd = 1.0 + (size - 1.0) * min((at_s - start) / 600, 1.0, (start + 2400 - at_s) / 600)
                rate = np.where(touched, rate * crowd, rate)
                slow = np.where(touched, slow * (1.0 + 0.1 * (crowd - 1.0)), slow)
        freak = rng.random(self.routes) < self.freaks * width_s / 60
        tail = np.where(freak, 1.0 + 0.5 * rng.pareto(2.0, self.routes), tail)
        median = np.where(freak & (rng.random(self.routes) < 0.3), tail, 1.0)
        for fault in faults:
            r, e, p50, p99 = fault.effect(at_s, rng.uniform(-1, 1))
            rate[fault.route] *= r
            errors[fault.route] += e
            median[fault.route] *= p50
            tail[fault.route] *= p99
        n = rng.poisson(rate * width_s).astype(np.float64)
        asked = np.maximum(n, 1.0)
        values = np.empty((4, self.routes))
        values[_RATE] = n / width_s
        values[_ERRORS] = rng.binomial(asked.astype(int), np.clip(errors, 0, 1)) / asked
        values[_P50] = self.latency * slow * median * np.exp(0.6 / np.sqrt(asked) * rng.standard_normal(self.routes))
        values[_P99] = self.latency * self.tail * slow * tail * np.exp(1.9 / np.sqrt(asked) * rng.standard_normal(self.routes))
        values[1:, n == 0] = np.nan
        return values, n


@dataclass
class Baseline:
    """What the own past says: a level that follows slowly and is not moved far by extremes, and a spread."""

    shape: tuple[int, int]
    width_s: float
    level: NDArray[Any] = field(init=False)
    spread: NDArray[Any] = field(init=False)
    count: NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.spread = np.full(self.shape, np.nan), np.zeros(self.shape)
        self.count = np.zeros(self.shape)

    def scale(self, n: NDArray[Any]) -> NDArray[Any]:
        """Spread with the floor that chance gives, as measure has it."""
        asked = np.maximum(n, 1.0)
        likely = (np.clip(self.level[_ERRORS], 0, 1) * asked + 0.5) / (asked + 1)
        floor = np.empty(self.shape)
        floor[_RATE] = np.sqrt(np.maximum(self.level[_RATE] * self.width_s, 1.0)) / self.width_s
        floor[_ERRORS] = np.sqrt(likely * (1 - likely) / asked)
        floor[_P50], floor[_P99] = (self.level[i] * (0.01 + k / np.sqrt(asked)) for i, k in ((_P50, 0.6), (_P99, 1.9)))
        return np.asarray(np.maximum(np.maximum(floor, 1.25 * self.spread), 0.01 * np.abs(self.level)) * np.sqrt(1 + 3 / asked))

    def learn(self, values: NDArray[Any], scale: NDArray[Any]) -> None:
        """Take in a window."""
        known = np.isfinite(values)
        fresh = known & np.isnan(self.level)
        self.level[fresh] = values[fresh]
        rest = np.clip(np.where(known, values - self.level, 0.0), -3 * scale, 3 * scale)
        rest[np.isnan(rest)] = 0.0
        share = np.where(known, 1.0 / np.minimum(self.count + 2, 40), 0.0)
        self.level += np.where(fresh, 0.0, share * rest)
        self.spread += share * (np.abs(rest) - self.spread)
        self.count += known


@dataclass(frozen=True)
class Scored:
    """The flagged points of one window."""

    metric: NDArray[Any]
    route: NDArray[Any]
    columns: dict[str, NDArray[Any]]
    judged: int


def score(values: NDArray[Any], n: NDArray[Any], baseline: Baseline) -> Scored:
    """Score as deviation_score and the rules of score.sql do, then learn."""
    scale = baseline.scale(n)
    with np.errstate(invalid="ignore"):
        spreads = np.abs(values - baseline.level) / scale
        scores = 100.0 * spreads / (spreads + 3.0)
        distance = np.abs(values - baseline.level)
        flagged = (
            (scores >= _THRESHOLD[:, None])
            & (distance >= _RELATIVE[:, None] * np.abs(baseline.level))
            & (distance >= _ABSOLUTE[:, None])
            & (_BOTH[:, None] | (values > baseline.level))
            & (baseline.count >= 12)
        )
    flagged[1:, n < 10] = False
    metric, route = np.nonzero(flagged)
    at = (metric, route)
    columns = {
        "value": values[at], "weight": n[route], "score": scores[at], "expected": baseline.level[at],
        "lower": baseline.level[at] - 6 * scale[at], "upper": baseline.level[at] + 6 * scale[at],
    }  # fmt: skip
    judged = int(((baseline.count >= 12) & np.isfinite(values)).sum())
    baseline.learn(values, scale)
    return Scored(metric, route, columns, judged)
