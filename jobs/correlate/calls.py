"""Who calls whom: how near two services are."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["HOPS", "CallGraph"]

HOPS = 2
"""Services at most this many calls apart, in either direction, are near."""


class CallGraph:
    """Known calls between services, of all environments; grows only."""

    def __init__(self, calls: Iterable[tuple[str, str]] = ()) -> None:
        self.calls: set[tuple[str, str]] = set()
        self._neighbours: dict[str, set[str]] = {}
        self._near: dict[str, frozenset[str]] = {}
        self.learn(calls)

    def learn(self, calls: Iterable[tuple[str, str]]) -> bool:
        """Add (caller, callee) pairs; true when one was new."""
        new = {(caller, callee) for caller, callee in calls if caller and callee and caller != callee} - self.calls
        for caller, callee in new:
            self._neighbours.setdefault(caller, set()).add(callee)
            self._neighbours.setdefault(callee, set()).add(caller)
        self.calls |= new
        if new:
            self._near.clear()
        return bool(new)

    def near(self, service: str) -> frozenset[str]:
        """The service itself and all within HOPS calls of it."""
        known = self._near.get(service)
        if known is None:
            reached, edge = {service}, {service}
            for _ in range(HOPS):
                edge = {other for one in edge for other in self._neighbours.get(one, ())} - reached
                reached |= edge
            known = self._near[service] = frozenset(reached)
        return known
