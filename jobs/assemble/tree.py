"""The span trees of many transactions at once: roots, orphans, calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.assemble.rows import CALLING

__all__ = ["Tree", "grow"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True)
class Tree:
    """Nodes are the spans and access lines with a span_id. Rows are counted as given, groups are transactions."""

    is_root: Mask
    """bool[rows]: a node that names no parent, and none of the rows that share its span_id does."""
    root_count: I64
    """int64[groups]: distinct span ids of roots."""
    orphan_count: I64
    """int64[groups]: nodes whose parent is not among the group's span ids."""
    node_count: I64
    """int64[groups]."""
    parent_row: I64
    """int64[rows]: the row that stands for the parent, -1 = none or not there. Of rows that share an id the callee's half, then the
    first, stands for it."""
    other_half: I64
    """int64[rows]: for a calling half, the row that stands for its shared span_id; -1 elsewhere."""

    @property
    def is_whole(self) -> Mask:
        """bool[groups]: one root, and no parent is missing."""
        whole: Mask = (self.root_count == 1) & (self.orphan_count == 0)
        return whole


def grow(rows: Records, group: I64, groups: int) -> Tree:
    """Join nodes to their parents.

    Parameters
    ----------
    rows : ROW[n], in any order; which of several rows is "the first" is their order here
    group : int64[n], which transaction each row belongs to, 0..groups-1

    Cost: one sort of the nodes and one search per parent, about 0.3 microseconds a node.
    """
    n = len(rows)
    is_root = np.zeros(n, np.bool_)
    parent_row = np.full(n, -1, np.int64)
    other_half = np.full(n, -1, np.int64)
    nodes = np.flatnonzero(rows["span"] != 0)
    if not len(nodes):
        nothing = np.zeros(groups, np.int64)
        return Tree(is_root, nothing, nothing, nothing, parent_row, other_half)
    calling = rows["side"][nodes] == CALLING
    nodes = np.concatenate([nodes[~calling], nodes[calling]])
    own_group = group[nodes]
    salt = own_group.astype(np.uint64) * _SPREAD
    ids, first, of_node = np.unique(_mixed(rows["span"][nodes], salt), return_index=True, return_inverse=True)

    parents = rows["parent"][nodes]
    has_parent = parents != 0
    children = np.flatnonzero(has_parent)
    wanted = _mixed(parents[children], salt[children])
    at = np.searchsorted(ids, wanted)
    at[at == len(ids)] = 0
    there = ids[at] == wanted
    parent_row[nodes[children[there]]] = nodes[first[at[there]]]
    orphans = own_group[children[~there]]

    id_has_parent = np.zeros(len(ids), np.bool_)
    id_has_parent[of_node[children]] = True
    is_root[nodes] = ~id_has_parent[of_node]
    roots = own_group[first[~id_has_parent]]

    halves = np.arange(len(nodes)) >= np.count_nonzero(~calling)
    other_half[nodes[halves]] = nodes[first[of_node[halves]]]
    return Tree(
        is_root,
        np.bincount(roots, minlength=groups),
        np.bincount(orphans, minlength=groups),
        np.bincount(own_group, minlength=groups),
        parent_row,
        other_half,
    )


def _mixed(span: npt.NDArray[np.uint64], salt: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Span ids made different between transactions; 64 bits stand for (transaction, span)."""
    with np.errstate(over="ignore"):
        mixed = (span ^ salt) * _MIX
        return mixed ^ (mixed >> np.uint64(29))
