"""Endpoints seen against endpoints known: documented, shadow and zombie ones; and routes that turned out to be parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from udfs.normalise.route_table import RouteRow, RouteTable

__all__ = ["SEEN_QUERY", "Endpoint", "Seen", "compare", "learn_templates"]

SEEN_QUERY = """
SELECT service_name, http_request_method, http_route, count() AS requests, toString(max(timestamp)) AS last_seen,
       countIf(http_response_status_code NOT IN (404, 405) OR http_response_status_code IS NULL) AS found
FROM events
WHERE http_route != '' AND kind IN ('access', 'span') AND span_kind IN ('', 'server') AND NOT is_duplicate
  AND timestamp >= (SELECT max(timestamp) FROM events) - INTERVAL {seconds} SECOND
GROUP BY service_name, http_request_method, http_route
ORDER BY service_name, http_route, http_request_method
"""
"""What was asked for in the last so many seconds of the store."""


@dataclass(frozen=True)
class Seen:
    """One endpoint as events hold it."""

    service: str
    method: str
    route: str
    requests: int
    last_seen: str
    found: int
    """Requests that were not answered with 404 or 405."""


@dataclass(frozen=True)
class Endpoint:
    """One endpoint and what it is."""

    state: str
    """documented, shadow (used, but in no file), zombie (in a file, but not used)."""
    service: str
    method: str
    route: str
    requests: int
    last_seen: str


def compare(seen: Iterable[Seen], table: RouteTable) -> list[Endpoint]:
    """Each endpoint that is used or documented. What only ever gave 404 or 405 is a guess of a caller's, and no endpoint."""
    documented = [row for row in table.rows if row.source == "documented"]
    known = {(row.service, row.method, row.route) for row in documented}
    used: set[tuple[str, str, str]] = set()
    out = []
    for one in seen:
        fits = {key for key in _keys(one) if key in known}
        used |= fits
        if fits or one.found:
            state = "documented" if fits else "shadow"
            out.append(Endpoint(state, one.service, one.method, one.route, one.requests, one.last_seen))
    out += [Endpoint("zombie", service, method, route, 0, "") for service, method, route in sorted(known - used)]
    return out


def _keys(one: Seen) -> list[tuple[str, str, str]]:
    return [(service, method, one.route) for service in (one.service, "") for method in (one.method, "")]


def learn_templates(routes: Sequence[tuple[str, str]], max_values: int, known: RouteTable) -> list[RouteRow]:
    """Templates for (service, route) pairs in which a position takes more than `max_values` values beside the same others.

    From the left: of the routes that agree in all segments before a position and have as many, those that have more than `max_values`
    different ones there share `{value}`.
    """
    out = []
    by_shape: dict[tuple[str, int], list[list[str]]] = defaultdict(list)
    for service, route in routes:
        by_shape[service, route.count("/")].append(route.split("/")[1:])
    for (service, _), paths in sorted(by_shape.items()):
        for template in sorted(_fold(paths, 0, max_values)):
            route = "/" + "/".join(template)
            if "{value}" in template and known.match(route, service) != route:
                out.append(RouteRow(route, service, "", "learned"))
    return out


def _fold(paths: list[list[str]], at: int, max_values: int) -> set[tuple[str, ...]]:
    """Templates of paths of one length that agree before `at`."""
    if not paths or at == len(paths[0]):
        return {tuple(path) for path in paths}
    groups: dict[str, list[list[str]]] = defaultdict(list)
    for path in paths:
        groups[path[at]].append(path)
    if len(groups) > max_values:
        return _fold([[*path[:at], "{value}", *path[at + 1 :]] for path in paths], at + 1, max_values)
    return set().union(*(_fold(group, at + 1, max_values) for group in groups.values()))
