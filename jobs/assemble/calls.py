"""Calls between services within many transactions at once: who called whom, how often, how it went; retries; depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.assemble.interner import Interner
from jobs.assemble.tree import Tree

__all__ = ["Calls", "calls_of", "depth_of", "lists", "retries_of"]

Records = npt.NDArray[Any]
I64 = npt.NDArray[np.int64]
_DEEPEST = 256
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Calls:
    """Lists, one a transaction, all of the same lengths: one entry for each distinct 'caller>callee'."""

    names: pa.ListArray
    """In order of the first child."""
    counts: pa.ListArray
    error_counts: pa.ListArray
    duration_ms: pa.ListArray


def calls_of(rows: Records, group: I64, groups: int, tree: Tree, strings: Interner) -> Calls:
    """Calls between different services, from parents and children and from the halves of shared spans.

    Parameters
    ----------
    rows : ROW[n], ordered by `time_order`
    group : int64[n], ascending

    Rows of one span_id (both halves, or a span and its access line) are one call; the first callee's row speaks for it.

    Cost: three sorts of the calls; next to nothing where nothing has a parent.
    """
    service = rows["service"]
    child = np.flatnonzero(tree.parent_row >= 0)
    half = np.flatnonzero(tree.other_half >= 0)
    place, callee_row = np.concatenate([child, half]), np.concatenate([child, tree.other_half[half]])
    caller = np.concatenate([service[tree.parent_row[child]], service[half]]).astype(np.int64)
    callee = service[callee_row]
    real = np.flatnonzero((caller != callee) & (caller != 0) & (callee != 0))
    if not len(real):
        return _calls(np.zeros(0, np.int64), groups, pa.array([], pa.string()), (np.zeros(0),) * 3)
    real = real[np.lexsort((callee_row[real], place[real]))]  # a half's own row comes after the serving row at the same place
    callee_row, pair = callee_row[real], (caller * len(strings) + callee)[real]
    owner = group[place[real]]
    pairs, code = np.unique(pair, return_inverse=True)
    used, first, entry = np.unique(owner * len(pairs) + code, return_index=True, return_inverse=True)

    with np.errstate(over="ignore"):
        same = rows["span"][callee_row] ^ (entry.astype(np.uint64) * _SPREAD)
    _, once = np.unique(same, return_index=True)
    once.sort()  # sums of floats are the same in any process: in order of time
    spoken = callee_row[once]
    size, of_once = len(used), entry[once]
    counts = np.bincount(of_once, minlength=size)
    errors = np.bincount(of_once, weights=rows["error"][spoken] != 0, minlength=size).astype(np.int64)
    duration = np.bincount(of_once, weights=np.nan_to_num(rows["duration_ms"][spoken], nan=0.0), minlength=size)

    in_order = np.argsort(first)
    chosen = first[in_order]
    names = [f"{strings.text(int(p) // len(strings))}>{strings.text(int(p) % len(strings))}" for p in pairs]  # pairs of services
    words = pa.array(names, pa.string()).take(pa.array(code[chosen]))
    return _calls(owner[chosen], groups, words, (counts[in_order], errors[in_order], duration[in_order]))


def _calls(owner: I64, groups: int, words: pa.Array, numbers: tuple[npt.NDArray[Any], ...]) -> Calls:
    types = (pa.int32(), pa.int32(), pa.float64())
    values = (pa.array(np.asarray(n, t.to_pandas_dtype())) for n, t in zip(numbers, types, strict=True))
    return Calls(lists(owner, groups, words), *(lists(owner, groups, v) for v in values))


def retries_of(rows: Records, group: I64, groups: int, tree: Tree) -> I64:
    """How many calls of each transaction were made again.

    The child before it of the same parent, of the same service, route and side, failed and had ended when this one began.

    Cost: a sort of the children of parents that have a failed child: seldom any.
    """
    failed = np.flatnonzero((rows["error"] != 0) & (tree.parent_row >= 0))
    if not len(failed):
        return np.zeros(groups, np.int64)
    has_failed = np.zeros(len(rows) + 1, np.bool_)  # the last place is that of no parent
    has_failed[tree.parent_row[failed]] = True
    child = np.flatnonzero(has_failed[tree.parent_row])
    key = (tree.parent_row[child], rows["service"][child], rows["route"][child], rows["side"][child])
    order = np.lexsort((child, *reversed(key)))  # rows are in order of time
    before, after = child[order[:-1]], child[order[1:]]
    same = np.logical_and.reduce([part[order[:-1]] == part[order[1:]] for part in key])
    ended = rows["start_us"][before] + np.nan_to_num(rows["duration_ms"][before] * 1000.0, nan=0.0).astype(np.int64)
    again = same & (rows["error"][before] != 0) & (ended <= rows["start_us"][after]) & (rows["span"][before] != rows["span"][after])
    return np.bincount(group[after[again]], minlength=groups)


def depth_of(group: I64, groups: int, tree: Tree) -> I64:
    """Spans on the longest way from a span without known parent down; a circle of parents ends at `_DEEPEST`.

    Cost: 5 ns for each span and each level below it.
    """
    level = np.minimum(tree.node_count, 1)
    at = np.flatnonzero(tree.parent_row >= 0)
    above = tree.parent_row[at]
    for depth in range(2, _DEEPEST + 1):
        if not len(at):
            break
        level[group[at]] = depth  # ascending: the last to reach it is the deepest
        further = tree.parent_row[above] >= 0
        at, above = at[further], tree.parent_row[above[further]]
    return level


def lists(group: I64, groups: int, values: pa.Array) -> pa.ListArray:
    """Values of ascending groups as one list per group."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
