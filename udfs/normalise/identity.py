"""Which transaction an event belongs to: ids are read from headers of any kind, then joined. The rules are told in docs/identity.md."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.values.identities import read_trace_headers
from udfs.hashing import hash_strings, hex_ids
from udfs.normalise.split import holds_any

__all__ = ["IDENTITIES", "drop_identities", "read_headers", "transaction_identity"]

IDENTITIES = ("request_id", "trace_id")
"""What can join the hops of a request, the first that is there."""
_SOURCES = ("topic", "environment", "service_name", "format")
# What every trace header has, and UUIDs and other request ids have not: they are far more frequent, and not worth a closer look.
_HEADER = r"[0-9A-Fa-f]{16}-[0-9A-Fa-f]{16}|:[0-9A-Fa-f]{1,16}:|%3A|[/;|]|1-[0-9A-Fa-f]{8}-"
_HEADER_SIGNS = b"-:%/;|"
_NO_TEXT = pa.scalar(None, pa.string())


def read_headers(columns: dict[str, pa.Array]) -> None:
    """Replace trace headers (traceparent, b3, X-Amzn-Trace-Id, ...) in `trace_id` and `request_id` by the ids within them.

    The span of a header sent it: it becomes `parent_span_id` where there is none. A trace header logged as request id is a trace id.
    Ids of other writings stay as they are. Cost: one scan of each column; 1-2 us for each text that is a header.
    """
    for name in ("trace_id", "request_id"):
        if name not in columns:
            continue
        texts = columns[name]
        # Hexadecimal ids have nothing of a header: most columns need no pattern.
        if not holds_any(texts, _HEADER_SIGNS):
            continue
        odd = pc.match_substring_regex(texts, _HEADER).fill_null(False)
        if not pc.any(odd).as_py():
            continue
        rows = np.flatnonzero(odd.to_numpy(zero_copy_only=False))
        trace, span = read_trace_headers(texts.take(pa.array(rows)))
        if trace.null_count == len(trace):
            continue
        where = np.zeros(len(texts), bool)
        found = trace.is_valid().to_numpy(zero_copy_only=False)
        where[rows[found]] = True
        mask = pa.array(where)
        _put(columns, "trace_id", mask, trace.filter(pa.array(found)), replaces=name == "trace_id")
        _put(columns, "parent_span_id", mask, span.filter(pa.array(found)), replaces=False)
        if name == "request_id":
            columns[name] = pc.if_else(mask, _NO_TEXT, texts)


def _put(columns: dict[str, pa.Array], name: str, mask: pa.Array, values: pa.Array, replaces: bool) -> None:
    before = columns[name] if name in columns else pa.nulls(len(mask), pa.string())
    put = pc.replace_with_mask(pa.nulls(len(mask), pa.string()), mask, values)
    kept = pc.if_else(pc.equal(before, ""), _NO_TEXT, before)
    columns[name] = pc.coalesce(put, kept) if replaces else pc.coalesce(kept, put)


def drop_identities(columns: dict[str, pa.Array], joins_by: Mapping[str, str]) -> None:
    """Blank the ids that must not join.

    Parameters
    ----------
    columns : topic, environment, service_name, format, request_id and trace_id; no nulls
    joins_by : topic, environment, service or format -> the only identity that joins its events

    A request id that each hop makes anew would part the hops of one trace; a trace id that a job keeps for hours would join its requests.
    """
    for identity in IDENTITIES:
        others = pa.array([name for name, only in joins_by.items() if only != identity], pa.string())
        if not len(others):
            continue
        drop = pc.is_in(columns[_SOURCES[0]], others)
        for source in _SOURCES[1:]:
            drop = pc.or_(drop, pc.is_in(columns[source], others))
        columns[identity] = pc.if_else(drop, "", columns[identity])


def transaction_identity(table: pa.Table) -> tuple[pa.Array, pa.Array]:
    """transaction_id (32 hex digits) and transaction_hash (uint64) of each event.

    The joining identity is `request_id`, else `trace_id`, else the place of the line: then the line is a transaction of its own, but
    a log record belongs to none ('') and has the hash only to be spread by.

    Parameters
    ----------
    table : needs request_id, trace_id, kind, topic, partition, offset, line_index; no nulls

    Cost: two hashes of the ids, about 0.3 us a row.
    """
    request_id, trace_id = table["request_id"], table["trace_id"]
    if pc.any(pc.equal(request_id, "")).as_py():
        ids = pc.if_else(pc.equal(request_id, ""), trace_id, request_id)
        ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    else:
        ids = request_id.combine_chunks() if isinstance(request_id, pa.ChunkedArray) else request_id
    absent = pc.equal(ids, "")
    own = np.flatnonzero(absent.to_numpy(zero_copy_only=False))
    if len(own):
        few = table.select(["topic", "partition", "offset", "line_index", "kind"]).take(pa.array(own))
        parts = [few[name].cast(pa.string()) for name in ("topic", "partition", "offset", "line_index")]
        places = pc.binary_join_element_wise(*parts, "/")
        ids = pc.replace_with_mask(ids, absent, places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places)
    low = hash_strings(ids, 1)
    transaction_id = hex_ids(hash_strings(ids, 0), low)
    if len(own):
        unjoined = pc.and_(absent, pc.equal(table["kind"], "log"))
        transaction_id = pc.if_else(unjoined, "", transaction_id)
        if isinstance(transaction_id, pa.ChunkedArray):
            transaction_id = transaction_id.combine_chunks()
    return transaction_id, pa.array(low, pa.uint64())
