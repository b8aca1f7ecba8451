"""Why something is missing from a transaction: what usually comes, and who fell silent.

What is learned, per partition, from transactions at their first closing:
    * of each operation (environment, service, route, side) of spans with a parent: how often the parent was there, and its service;
    * of each calling operation: how often a span of another service hung under it, and which service;
    * of each service: when it was last heard, and how long its usual silences are.

So a transaction with a missing span is typed with evidence. A silent collector (nothing of that service comes any more, in any
transaction) is told apart from a silent API (the service is heard, but not in this transaction).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.assemble.interner import Interner
from jobs.assemble.paged import PagedTable
from jobs.assemble.rows import CALLING, SERVING
from jobs.assemble.tree import Tree
from schemas.transaction import ORPHAN_KINDS

__all__ = ["Witness"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_RELATION = np.dtype([("key", "<u8"), ("there", "<f8"), ("missing", "<f8"), ("other", "<u8")])
_SERVICE = np.dtype([("key", "<u8"), ("heard_ms", "<i8"), ("silence_ms", "<f8"), ("times", "<f8")])
_LIMIT = 1 << 14
_ENOUGH = 20
"""Cases before a habit is believed."""
_NEVER, _USUALLY = 0.02, 0.95
_SILENT_MS, _SILENT_TIMES = 5_000, 8
"""A service is silent after this long, and this many times its usual silence."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_PARENT, _CHILD = np.uint64(1), np.uint64(2)
_CODE = {kind: code for code, kind in enumerate(ORPHAN_KINDS)}
_ORDER = ("late_beyond_horizon", "lost_collector", "uninstrumented_caller", "no_root", "no_server_span", "missing_parent", "many_roots")
_RANK = np.full(len(ORPHAN_KINDS), 99)
for _place, _kind in enumerate(_ORDER):
    _RANK[_CODE[_kind]] = _place


class Witness:
    """What is usual in a partition. Cost: a sort of the spans' operations per tick; nothing for access lines but their services."""

    def __init__(self) -> None:
        self._relations = PagedTable("relations", _RELATION, _LIMIT, lambda rows: rows["there"] + rows["missing"])
        self._services = PagedTable("services", _SERVICE, _LIMIT, lambda rows: rows["heard_ms"])

    def load(self, segments: dict[str, bytes]) -> None:
        """From its pages."""
        self._relations.load(segments)
        self._services.load(segments)

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """Pages that changed."""
        yield from self._relations.changes()
        yield from self._services.changes()

    def heard(self, rows: Records, strings: Interner, tick_ms: int) -> None:
        """Services of which something came in a tick."""
        pair = np.unique(rows["environment"].astype(np.int64) * len(strings) + rows["service"])
        words = strings.hashes()
        at = self._services.touch(np.unique(_service_key(words[pair // len(strings)], words[pair % len(strings)])))
        at = at[at >= 0]
        table = self._services.rows
        known = at[table["times"][at] > 0]
        weight = 1.0 / np.minimum(table["times"][known] + 1.0, 50.0)
        table["silence_ms"][known] += weight * ((tick_ms - table["heard_ms"][known]) - table["silence_ms"][known])
        table["heard_ms"][at] = tick_ms
        table["times"][at] += 1.0

    def judge(self, rows: Records, group: I64, tree: Tree, slots: Records, strings: Interner) -> tuple[npt.NDArray[np.int8], pa.Array]:
        """Code in ORPHAN_KINDS and evidence of each group; learns from those that are told for the first time."""
        m = len(slots)
        nodes = tree.node_count > 0
        kinds = np.select(
            [~nodes, (slots["is_stale"] != 0) & ~tree.is_whole, tree.root_count == 0, tree.orphan_count > 0, tree.root_count > 1],
            [0, _CODE["late_beyond_horizon"], _CODE["no_root"], _CODE["missing_parent"], _CODE["many_roots"]],
            0,
        )
        evidence = np.full(m, "", object)
        for kind, why in _PLAIN.items():
            evidence[kinds == _CODE[kind]] = why
        if not nodes.any():
            return kinds.astype(np.int8), pa.array(evidence, pa.string())
        words = strings.hashes()
        place = words[rows["environment"]] * _SPREAD
        with np.errstate(over="ignore"):
            operation = _mixed(place ^ words[rows["service"]]) ^ _mixed(words[rows["route"]] + rows["side"])
        child = np.flatnonzero((rows["parent"] != 0) & (rows["span"] != 0))
        has_parent = tree.parent_row[child] >= 0
        parent_service = np.where(has_parent, words[rows["service"][tree.parent_row[child]]], np.uint64(0))
        call, callee = _calls(rows, tree, words)
        with np.errstate(over="ignore"):
            up, down = _mixed(operation[child] ^ _PARENT), _mixed(operation[call] ^ _CHILD)
        fresh = ((slots["late"] == 0) & (slots["moves"] == 0) & (slots["is_stale"] == 0))[group]
        lost_up, lost_down = np.flatnonzero(~has_parent), np.flatnonzero(callee == 0)
        suspects = np.concatenate([child[lost_up], call[lost_down]])
        if not len(suspects):
            self._learn(up[fresh[child]], parent_service[fresh[child]])
            self._learn(down[fresh[call]], callee[fresh[call]])
            return kinds.astype(np.int8), pa.array(evidence, pa.string())
        is_down = np.arange(len(suspects)) >= len(lost_up)
        relation = self._relations.take(np.concatenate([up[lost_up], down[lost_down]]))
        total = relation["there"] + relation["missing"]
        share = relation["there"] / np.maximum(total, 1.0)
        known = total >= _ENOUGH
        whose = self._services.take(_service_key(words[rows["environment"][suspects]], relation["other"]))
        caller = self._services.take(_service_key(words[rows["environment"][suspects]], words[rows["service"][suspects]]))
        silent_ms = caller["heard_ms"] - whose["heard_ms"]
        is_silent = (whose["times"] >= _ENOUGH) & (silent_ms > np.maximum(_SILENT_MS, _SILENT_TIMES * whose["silence_ms"]))
        expected = ~is_down | (known & (share >= _USUALLY))  # a call without a callee means nothing, unless it usually has one
        lost = expected & (relation["other"] != 0) & is_silent
        # what a silent collector took away is no habit
        habit_up, habit_down = fresh[child], fresh[call]
        habit_up[lost_up[lost[~is_down]]] = False
        habit_down[lost_down[lost[is_down]]] = False
        self._learn(up[habit_up], parent_service[habit_up])
        self._learn(down[habit_down], callee[habit_down])
        never = ~is_down & known & (share < _NEVER)
        served = np.zeros(0, np.int64)
        serving = np.flatnonzero(rows["side"] == SERVING)
        served = group[serving] * len(words) + rows["service"][serving]
        own_server = np.isin(group[suspects] * len(words) + rows["service"][suspects], served)
        headless = (is_down & expected) | (~is_down & (rows["side"][suspects] != SERVING) & ~own_server)
        found = np.select([lost, never, headless], [_CODE["lost_collector"], _CODE["uninstrumented_caller"], _CODE["no_server_span"]], 0)
        order = np.lexsort((np.arange(len(found)), _RANK[found], group[suspects]))
        order = order[found[order] != 0]
        first = order[np.concatenate([[True], group[suspects[order]][1:] != group[suspects[order]][:-1]])] if len(order) else order
        better = first[_RANK[found[first]] < _RANK[kinds[group[suspects[first]]]]]
        kinds[group[suspects[better]]] = found[better]
        names = dict(zip(words.tolist(), strings.array().to_pylist(), strict=True)) if len(better) else {}  # distinct words, not rows
        for one in better.tolist():  # transactions with something missing, where a habit says why
            kind, row = ORPHAN_KINDS[found[one]], rows[suspects[one]]
            told = _words(
                kind, bool(is_down[one]), relation[one], names[int(words[row["service"]])], names, int(silent_ms[one]), whose[one]
            )
            evidence[group[suspects[one]]] = told
        return kinds.astype(np.int8), pa.array(evidence, pa.string())

    def _learn(self, keys: U64, other: U64) -> None:
        if not len(keys):
            return
        unique, first, which = np.unique(keys, return_index=True, return_inverse=True)
        there = np.bincount(which, other != 0, len(unique))
        count = np.bincount(which, minlength=len(unique))
        last = np.zeros(len(unique), np.uint64)
        np.maximum.at(last, which, other)
        at = self._relations.touch(unique)
        inside = at >= 0
        at, there, count, last = at[inside], there[inside], count[inside], last[inside]
        table = self._relations.rows
        old = at[table["there"][at] + table["missing"][at] > 2000]
        table["there"][old] *= 0.5
        table["missing"][old] *= 0.5
        table["there"][at] += there
        table["missing"][at] += count - there
        table["other"][at] = np.where(last != 0, last, table["other"][at])


_PLAIN = {
    "late_beyond_horizon": "its events are older than the time for which transactions are remembered",
    "no_root": "no span without a parent came",
    "missing_parent": "a parent that was named did not come",
    "many_roots": "several spans have no parent",
}


def _words(kind: str, is_down: bool, relation: Records, service: str, names: dict[int, str], silent_ms: int, whose: Records) -> str:
    other = names.get(int(relation["other"]), "")
    there, total = int(relation["there"]), int(relation["there"] + relation["missing"])
    if kind == "lost_collector":
        usual = whose["silence_ms"] / 1000
        return f"nothing came from {other} for {silent_ms // 1000} s (usually every {usual:.0f} s), while {service} goes on"
    if kind == "uninstrumented_caller":
        return f"{service} names parents that never come: {there} of {total} were seen"
    if is_down:
        return f"{service} called {other or 'another service'}, which sent no span for it ({there} of {total} have one); {other} is heard"
    return f"spans of {service} came without its server span"


def _calls(rows: Records, tree: Tree, words: U64) -> tuple[I64, U64]:
    """Calling spans, and the hash of the service that answered each, 0 = none."""
    callee = np.zeros(len(rows), np.uint64)
    child = np.flatnonzero(tree.parent_row >= 0)
    parent = tree.parent_row[child]
    foreign = rows["service"][child] != rows["service"][parent]
    callee[parent[foreign]] = words[rows["service"][child[foreign]]]
    half = np.flatnonzero(tree.other_half >= 0)
    answered = half[rows["service"][tree.other_half[half]] != rows["service"][half]]
    callee[answered] = words[rows["service"][tree.other_half[answered]]]
    call = np.flatnonzero((rows["side"] == CALLING) & (rows["span"] != 0))
    return call, callee[call]


def _service_key(environment: U64, service: U64) -> U64:
    with np.errstate(over="ignore"):
        return _mixed(environment * _SPREAD ^ service)


def _mixed(values: U64) -> U64:
    with np.errstate(over="ignore"):
        mixed: U64 = values * np.uint64(0xD6E8FEB86659FD93)
        return mixed ^ (mixed >> np.uint64(31))
