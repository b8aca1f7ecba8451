from __future__ import annotations

import pyarrow as pa

from jobs.measure.entities import EntityNames
from jobs.measure.fold import fold_routes
from jobs.operators.partitions import split_by_partition
from schemas.partial import PARTIAL
from udfs.hashing import hash_columns

_PARTITIONS = 4


def _partials(routes: list[str], kind: str = "route", environment: str = "prod") -> pa.Table:
    n = len(routes)
    environments, kinds, entities = pa.array([environment] * n), pa.array([kind] * n), pa.array(routes, pa.string())
    table = pa.table(
        {
            "environment": environments,
            "entity_kind": kinds,
            "entity": entities,
            "entity_hash": hash_columns([environments, kinds, entities]),
            "request_count": [2] * n,
        }
    )
    return PARTIAL.conform(table)


def _run(ticks: list[pa.Table], max_routes: int) -> tuple[set[str], int]:
    """Entities after all ticks over all partitions, and requests folded."""
    known = [EntityNames() for _ in range(_PARTITIONS)]
    total = 0
    for tick in ticks:
        for partition, rows in split_by_partition(tick, "entity_hash", _PARTITIONS):
            rows, folded = fold_routes(rows, known[partition], max_routes, _PARTITIONS)
            total += folded
            known[partition].add(rows)
    return {entity for names in known for entity in names.names(names._hashes)[2].to_pylist()}, total


def test_routes_of_a_service_never_exceed_the_bound_whatever_comes() -> None:
    ticks = [_partials([f"shop GET /x/{tick}-{i}" for i in range(200)]) for tick in range(5)]
    entities, folded = _run(ticks, 40)
    others = {entity for entity in entities if entity.startswith("shop other ")}
    assert len(entities - others) <= 40
    assert 1 <= len(others) <= _PARTITIONS
    assert folded == 2 * (1000 - len(entities - others))


def test_routes_within_the_bound_other_services_and_other_kinds_stay() -> None:
    ticks = [
        _partials([f"shop GET /x/{i}" for i in range(100)]),
        _partials(["cart GET /a", "cart GET /b"]),
        _partials([f"service{i}" for i in range(300)], kind="service"),
    ]
    entities, _ = _run(ticks, 16)
    assert {"cart GET /a", "cart GET /b", *(f"service{i}" for i in range(300))} <= entities


def test_a_known_route_stays_itself_when_later_ones_are_folded() -> None:
    first = _partials(["shop GET /old"])
    flood = _partials(["shop GET /old", *(f"shop GET /{i}" for i in range(100))])
    known = EntityNames()
    known.add(first)
    rows, folded = fold_routes(flood, known, 1, 1)
    assert rows.column("entity").to_pylist().count("shop GET /old") == 1
    assert set(rows.column("entity").to_pylist()) == {"shop GET /old", "shop other 0"}
    assert folded == 200


def test_without_a_limit_nothing_is_folded() -> None:
    rows = _partials([f"shop GET /{i}" for i in range(9)])
    assert fold_routes(rows, EntityNames(), 0)[0].equals(rows)
