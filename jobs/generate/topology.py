"""The made-up company: environments, services, routes and the tree of calls behind each route."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ENVIRONMENTS", "MAX_EVENTS", "ROUTES", "SERVICES", "Hop", "Route", "Topology"]

MAX_EVENTS = 8
"""Most events of one transaction."""

ENVIRONMENTS = (("aws-prod", 0.55, 1.0), ("gcp-prod", 0.33, 1.1), ("k8s-staging", 0.12, 1.6))
"""(name, share of the traffic, factor on latencies)."""

SERVICES = ("gateway", "auth", "users", "orders", "checkout", "payments", "inventory", "search")


@dataclass(frozen=True)
class Hop:
    """One call: which service answers which route, called by which earlier hop."""

    service: str
    method: str
    path: str
    """Path with at most one parameter: {id} (a number) or {uuid}."""
    parent: int
    """Index of the caller in the route's hops; -1 on the first."""
    own_ms: float
    """Median of the time spent in the service itself, without its calls."""
    sigma: float = 0.35
    """Spread of that time: standard deviation of its logarithm."""

    @property
    def template(self) -> str:
        """The route template as the pipeline learns it, e.g. /users/{id}."""
        return self.path.replace("{uuid}", "{id}")

    @property
    def before(self) -> str:
        """The path up to its parameter."""
        return self.path.partition("{")[0]

    @property
    def after(self) -> str:
        """The path after its parameter."""
        return self.path.partition("}")[2]


@dataclass(frozen=True)
class Route:
    """A public route with its share of the traffic and its calls, depth first."""

    share: float
    hops: tuple[Hop, ...]
    asset: bool = False
    """A page or file that a proxy serves by itself: where formats are mixed, proxies log it in their own."""


def _gateway(method: str, path: str, own_ms: float = 2.5) -> Hop:
    return Hop("gateway", method, path, -1, own_ms)


_VERIFY = Hop("auth", "POST", "/verify", 0, 2.0, 0.25)

ROUTES = (
    Route(0.08, (_gateway("GET", "/health", 0.8),), asset=True),
    Route(0.09, (_gateway("POST", "/login"), Hop("auth", "POST", "/sessions", 0, 22), Hop("users", "GET", "/credentials/{id}", 1, 3))),
    Route(0.11, (_gateway("GET", "/users/{id}"), _VERIFY, Hop("users", "GET", "/users/{id}", 0, 5))),
    Route(0.12, (_gateway("GET", "/products/{id}"), Hop("inventory", "GET", "/items/{id}", 0, 4))),
    Route(0.17, (_gateway("GET", "/search"), Hop("search", "GET", "/query", 0, 30, 0.45), Hop("inventory", "GET", "/items", 1, 6))),
    Route(0.10, (_gateway("GET", "/orders"), _VERIFY, Hop("orders", "GET", "/orders", 0, 14))),
    Route(
        0.12,
        (
            _gateway("GET", "/orders/{id}"),
            _VERIFY,
            Hop("orders", "GET", "/orders/{id}", 0, 7),
            Hop("inventory", "GET", "/items/{id}", 2, 4),
            Hop("users", "GET", "/users/{id}", 2, 5),
        ),
    ),
    Route(
        0.13,
        (
            _gateway("POST", "/carts/{uuid}/items"),
            _VERIFY,
            Hop("checkout", "POST", "/carts/{uuid}/items", 0, 6),
            Hop("inventory", "GET", "/items/{id}", 2, 4),
        ),
    ),
    Route(
        0.07,
        (
            _gateway("POST", "/checkout/{uuid}"),
            _VERIFY,
            Hop("checkout", "POST", "/checkout/{uuid}", 0, 11),
            Hop("inventory", "POST", "/reservations", 2, 9),
            Hop("orders", "POST", "/orders", 2, 12),
            Hop("users", "GET", "/users/{id}", 4, 5),
            Hop("payments", "POST", "/charges", 2, 45, 0.3),
            Hop("users", "GET", "/wallets/{id}", 6, 4),
        ),
    ),
    Route(
        0.03,
        (
            _gateway("POST", "/refunds/{uuid}"),
            _VERIFY,
            Hop("payments", "POST", "/refunds/{uuid}", 0, 40),
            Hop("orders", "PATCH", "/orders/{id}", 2, 8),
            Hop("users", "GET", "/wallets/{id}", 2, 4),
        ),
    ),
)


class Topology:
    """The routes as arrays [route, hop], padded to `MAX_EVENTS` hops.

    Attributes
    ----------
    hops : every hop of every route; a hop's number is its index here
    hop_id, parent : int[route, MAX_EVENTS], -1 where there is no hop (and no parent)
    count : int[route], hops of the route
    own_us, sigma : float[route, MAX_EVENTS], median own time in microseconds and its log spread
    share : float[route], share of the transactions, sums to 1
    """

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self.routes = routes
        self.hops = [hop for route in routes for hop in route.hops]
        self.services = tuple(dict.fromkeys(hop.service for hop in self.hops))
        shape = (len(routes), MAX_EVENTS)
        self.hop_id = np.full(shape, -1)
        self.parent = np.full(shape, -1)
        self.own_us = np.ones(shape)
        self.sigma = np.zeros(shape)
        self.count = np.array([len(route.hops) for route in routes])
        self.share = np.array([route.share for route in routes]) / sum(route.share for route in routes)
        self.asset = np.array([route.asset for route in routes])
        number = 0
        for r, route in enumerate(routes):
            for h, hop in enumerate(route.hops):
                self.hop_id[r, h] = number
                self.parent[r, h] = hop.parent
                self.own_us[r, h] = hop.own_ms * 1000
                self.sigma[r, h] = hop.sigma
                number += 1
        self.has_verify = np.array([len(route.hops) > 1 and route.hops[1].service == "auth" for route in routes])

    @property
    def mean_events(self) -> float:
        """Mean number of events of a transaction that goes right."""
        return float(self.share @ self.count)

    def path_has(self, parameter: str) -> npt.NDArray[np.bool_]:
        """bool[hop]: paths with this parameter, {id} or {uuid}."""
        return np.array([parameter in hop.path for hop in self.hops])

    def hops_of(self, service: str, route: str = "") -> npt.NDArray[np.bool_]:
        """bool[route, MAX_EVENTS]: hops answered by `service` (and by its route 'METHOD /template', where given)."""
        wanted = [hop.service == service and route in ("", f"{hop.method} {hop.template}") for hop in self.hops]
        on: npt.NDArray[np.bool_] = np.append(np.array(wanted), False)[self.hop_id]  # -1 takes the last
        return on
