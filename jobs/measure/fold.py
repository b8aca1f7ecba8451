"""Routes beyond a number are counted together: no service can fill the state or the store with routes of its own making."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.measure.entities import EntityNames
from jobs.operators.partitions import PARTITIONS
from udfs.hashing import hash_columns

__all__ = ["fold_routes"]


def fold_routes(partials: pa.Table, names: EntityNames, max_routes: int, partitions: int = PARTITIONS) -> tuple[pa.Table, int]:
    """PARTIAL rows in which routes that are one too many for their service have become its route `other`, and the requests in them.

    Parameters
    ----------
    partials : PARTIAL rows of one key partition and tick
    names : entities known so far; a route that is known stays itself
    max_routes : of one service and environment, over all key partitions; 0 = without limit

    A service's routes are spread over the key partitions, none of which sees the others': each has its share of the limit, and its own
    `other`, named after the partition ('shop other 3'), since two partitions must not write the same point. Which routes come first is a
    function of the topic's content: ticks are, and within a tick those of the lowest hash do.

    Cost: nothing while no new route comes; else one pass over the known routes of the partition.
    """
    if not max_routes or not partials.num_rows:
        return partials, 0
    is_route = pc.equal(partials.column("entity_kind"), "route").to_numpy(zero_copy_only=False)
    hashes = partials.column("entity_hash").to_numpy()
    new = is_route & ~names.knows(hashes)
    if not new.any():
        return partials, 0
    share = -(-max_routes // partitions)
    fresh = np.flatnonzero(new)
    _, first = np.unique(hashes[fresh], return_index=True)  # in order of hash
    rows = fresh[first]
    counts = dict(names.routes_of_services())
    environments = partials.column("environment").take(pa.array(rows)).to_pylist()
    services = [_service(entity) for entity in partials.column("entity").take(pa.array(rows)).to_pylist()]
    folded = {}
    for row, environment, service in zip(rows.tolist(), environments, services, strict=True):  # new routes, not rows
        counts[environment, service] = counts.get((environment, service), 0) + 1
        if counts[environment, service] > share:
            folded[int(hashes[row])] = f"{service} other {int(hashes[row]) % partitions}"
    if not folded:
        return partials, 0
    chosen = new & np.isin(hashes, np.fromiter(folded, np.uint64, len(folded)))
    entities = partials.column("entity").combine_chunks().to_numpy(zero_copy_only=False)
    entities[chosen] = [folded[key] for key in hashes[chosen].tolist()]
    names_column = pa.array(entities, pa.string())
    renamed = partials.set_column(partials.schema.get_field_index("entity"), "entity", names_column)
    few = renamed.filter(pa.array(chosen))
    own = hash_columns([few.column(name).combine_chunks() for name in ("environment", "entity_kind", "entity")])
    hashes = hashes.copy()
    hashes[chosen] = own
    requests = int(pc.sum(few.column("request_count")).as_py())
    return renamed.set_column(renamed.schema.get_field_index("entity_hash"), "entity_hash", pa.array(hashes)), requests


def _service(entity: str) -> str:
    return entity.partition(" ")[0]
