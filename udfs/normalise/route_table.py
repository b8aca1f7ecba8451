"""Known route templates, documented or learned, and which of them a path fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["KINDS", "RouteRow", "RouteTable"]

KINDS = ("documented", "learned")


@dataclass(frozen=True)
class RouteRow:
    """One template; a segment in braces stands for any one segment."""

    route: str
    service: str = ""
    """Service it belongs to; '' = any."""
    method: str = ""
    """Method, for `anomasec endpoints` only; '' = any."""
    source: str = "documented"
    """documented (an OpenAPI file) or learned (a position that took too many values)."""

    def __post_init__(self) -> None:
        """Refuse what is no template."""
        if not self.route.startswith("/"):
            raise ValueError(f"route '{self.route}' must start with /")
        if self.source not in KINDS:
            raise ValueError(f"source must be one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class RouteTable:
    """Templates by service."""

    rows: tuple[RouteRow, ...] = ()

    @cached_property
    def _trees(self) -> dict[str, dict[str, Any]]:
        """Service -> tree of segments; '{' is the child of any segment, '' holds the template of a node."""
        trees: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            node = trees.setdefault(row.service, {})
            for segment in row.route.split("/")[1:]:
                node = node.setdefault("{" if segment.startswith("{") and segment.endswith("}") else "/" + segment, {})
            node.setdefault("", row.route)
        return trees

    def find(self, paths: pa.Array, services: pa.Array | None) -> pa.Array:
        """Template of each path, null where none fits. Literal segments go before parameters, a service's own templates before others'.

        Cost: about 2 us per distinct path of a service.
        """
        path = paths.dictionary_encode()
        n = len(paths)
        known = path.dictionary.to_pylist()
        if services is None:
            found = [self.match(text, "") for text in known]
            return pc.take(pa.array(found, pa.string()), path.indices)
        service = services.cast(pa.string()).fill_null("").dictionary_encode()
        names = service.dictionary.to_pylist()
        of_path = path.indices.fill_null(len(known)).to_numpy(zero_copy_only=False).astype(np.int64)
        of_service = service.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        pairs, kinds = np.unique(of_path * len(names) + of_service, return_inverse=True)
        found = [
            self.match(known[pair // len(names)], names[pair % len(names)]) if pair // len(names) < len(known) else None
            for pair in pairs.tolist()
        ]
        return pc.take(pa.array(found, pa.string()), pa.array(kinds)) if n else pa.array([], pa.string())

    def match(self, path: str, service: str) -> str | None:
        """Template that one path fits, or None."""
        segments = ["/" + segment for segment in path.split("/")[1:]]
        for name in dict.fromkeys((service, "")):
            if name in self._trees:
                found = _walk(self._trees[name], segments, 0)
                if found is not None:
                    return found
        return None


def _walk(node: dict[str, Any], segments: list[str], at: int) -> str | None:
    if at == len(segments):
        return node.get("")
    for key in (segments[at], "{" if len(segments[at]) > 1 else ""):
        if key and key in node:
            found = _walk(node[key], segments, at + 1)
            if found is not None:
                return found
    return None
