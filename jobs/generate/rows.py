"""The events of some requests as columns: what a line of any format is rendered from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.generate.columns import Bytes, filled, hex_matrix, join, matrix_column, number
from jobs.generate.topology import Topology
from jobs.generate.traffic import Requests

__all__ = ["STATUSES", "Rows", "path_parameter"]

Ints = npt.NDArray[np.int64]

STATUSES = (200, 400, 401, 403, 429, 500, 502, 503, 504)
"""Every status the world answers with, in order."""


@dataclass(frozen=True)
class Rows:
    """The events of some requests, one row each, in request order, hops depth first."""

    request: Ints
    """Row of the request."""
    hop: Ints
    """Position in the request's hops."""
    hop_id: Ints
    """Number of the hop in `Topology.hops`."""
    span: npt.NDArray[np.uint64]
    parent_span: npt.NDArray[np.uint64]
    """0 on the first hop of a request."""
    start_us: Ints
    duration_us: Ints
    status: Ints

    @classmethod
    def of(cls, requests: Requests, topology: Topology, rng: np.random.Generator) -> Rows:
        """The hops that took place, with span IDs."""
        width = requests.status.shape[1]
        request, hop = np.nonzero(np.arange(width) < requests.count[:, None])
        route = requests.route[request]
        spans: npt.NDArray[np.uint64] = np.asarray(rng.integers(1, 2**64, requests.status.shape, dtype=np.uint64))
        parent = topology.parent[route, hop]
        parent_span = np.where(parent >= 0, spans[request, np.maximum(parent, 0)], np.uint64(0))
        return cls(
            request=request,
            hop=hop,
            hop_id=topology.hop_id[route, hop],
            span=spans[request, hop],
            parent_span=parent_span,
            start_us=requests.start_us[request] + requests.offset_us[request, hop],
            duration_us=requests.total_us[request, hop],
            status=requests.status[request, hop],
        )

    def __len__(self) -> int:
        return len(self.request)

    def take(self, rows: Any) -> Rows:
        """Some of the rows."""
        return Rows(**{name: column[rows] for name, column in vars(self).items()})

    @property
    def answer(self) -> Ints:
        """Number of each row's (hop, status) in a table made by `for hop: for status in STATUSES`."""
        return self.hop_id * len(STATUSES) + np.searchsorted(STATUSES, self.status)


def path_parameter(rows: Rows, requests: Requests, topology: Topology) -> pa.Array:
    """What stands for {id} or {uuid} in each row's path; '' where the path has none."""
    numbered = topology.path_has("{id}")[rows.hop_id]
    unique = topology.path_has("{uuid}")[rows.hop_id]
    value = (requests.parameter[rows.request[numbered]] * 7 + rows.hop[numbered]) % 1_000_000
    text = filled(number(value), numbered, len(rows))
    if unique.any():
        digits = hex_matrix(requests.ids[rows.request[unique]][:, :2] ^ np.uint64(0x5DEECE66D))
        groups = (digits[:, :8], digits[:, 8:12], digits[:, 13:16], digits[:, 17:20], digits[:, 20:])
        parts: list[bytes | Bytes] = [groups[0], b"-", groups[1], b"-4", groups[2], b"-a", groups[3], b"-", groups[4]]
        text = join(text, filled(matrix_column(parts, len(digits)), unique, len(rows)))
    return text
