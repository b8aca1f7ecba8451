"""The catalogue: where things run, and who answers for them, as the user wrote it in `sql/flink/catalogue.sql`.

All attributes go onto each event, as columns of few values, rather than into a table that readers would have to join: alarms, points
and dashboards then tell the team that owned the service when it happened, and a column of a few words costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["FILLED", "Catalogue", "CatalogueRow"]

FILLED = ("environment", "region", "cluster", "service_name", "team", "criticality")
"""What a row can say about the events that match it."""
_MATCHED = {
    "host": ("host_name", "k8s_pod_name", "server_address"),
    "account": ("cloud_account_id",),
    "namespace": ("k8s_namespace_name",),
    "path": ("url_path",),
    "topic": ("topic",),
    "service": ("service_name",),
}
"""What a row matches by -> columns and hints of the event, any of which may fit."""


@dataclass(frozen=True)
class CatalogueRow:
    """Events that match all patterns (LIKE: % any text, _ one character) get what is not '' and what their log does not say."""

    host: str = "%"
    account: str = "%"
    namespace: str = "%"
    path: str = "%"
    topic: str = "%"
    service: str = "%"
    environment: str = ""
    region: str = ""
    cluster: str = ""
    service_name: str = ""
    team: str = ""
    criticality: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that says nothing."""
        if not any(getattr(self, name) for name in FILLED):
            raise ValueError(f"the row says nothing: give one of {', '.join(FILLED)}")
        if self.service != "%" and self.service_name:
            raise ValueError("a row that matches by service cannot rename it: leave service_name out")


@dataclass(frozen=True)
class Catalogue:
    """Rows in the order of the file: for each attribute the first that matches and says something holds."""

    rows: tuple[CatalogueRow, ...] = ()

    def fill(self, columns: dict[str, pa.Array], n: int) -> None:
        """Fill the columns of `FILLED` in place where they are null or ''. First by place, then by the service known by then.

        Cost: per row of the catalogue one LIKE over the distinct values of each column it matches by; one look-up an event.
        """
        _fill(columns, n, [row for row in self.rows if row.service == "%"])
        _fill(columns, n, [row for row in self.rows if row.service != "%"])


def _fill(columns: dict[str, pa.Array], n: int, rows: list[CatalogueRow]) -> None:
    if not rows:
        return
    # Events that match the same rows are alike: few kinds of events, however many there are.
    kinds: NDArray[Any] = np.zeros(n, np.int64)
    matches = np.ones((1, len(rows)), bool)
    for name, sources in _MATCHED.items():
        patterns = [getattr(row, name) for row in rows]
        if all(pattern == "%" for pattern in patterns):
            continue
        codes, fits = _fits([columns[source] for source in sources if source in columns], patterns, n)
        pairs, kinds = np.unique(kinds * len(fits) + codes, return_inverse=True)
        matches = matches[pairs // len(fits)] & fits[pairs % len(fits)]
    for name in FILLED:
        said = np.array([bool(getattr(row, name)) for row in rows])
        first = np.where((matches & said).any(axis=1), (matches & said).argmax(axis=1), -1)
        values = pa.array([getattr(rows[row], name) if row >= 0 else None for row in first.tolist()], pa.string())
        if values.null_count == len(values):
            continue
        known = columns.get(name)
        found = pc.take(values, pa.array(kinds))
        columns[name] = found if known is None else pc.if_else(pc.equal(known, "").fill_null(True), found, known)


def _fits(sources: Iterable[pa.Array], patterns: list[str], n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Code of each event, and which rows fit events of that code; where there is no value only '%' fits."""
    codes: NDArray[Any] = np.zeros(n, np.int64)
    fits = np.array([[pattern == "%" for pattern in patterns]])
    for texts in sources:
        coded = texts.cast(pa.string()).dictionary_encode()
        own = [pc.match_like(coded.dictionary, pattern).to_numpy(zero_copy_only=False) for pattern in patterns]
        table = np.concatenate([np.array(own, bool).T.reshape(-1, len(patterns)), np.zeros((1, len(patterns)), bool)])
        index = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
        # Values that fit the same rows share a code.
        distinct, of = np.unique(table, axis=0, return_inverse=True)
        pairs, codes = np.unique(codes * len(distinct) + of.reshape(-1)[index], return_inverse=True)
        fits = fits[pairs // len(distinct)] | distinct[pairs % len(distinct)]
    return codes, fits


MATCH_COLUMNS = tuple(f.name for f in fields(CatalogueRow) if f.name in _MATCHED)
