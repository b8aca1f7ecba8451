"""Trees of many transactions at once; how a row reads is told in test_core."""

from __future__ import annotations

import numpy as np

from jobs.assemble.rows import ROW
from jobs.assemble.tree import grow


def rows(*nodes: tuple[int, int, int]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Rows of (span, parent, caller)."""
    made = np.zeros(len(nodes), ROW)
    for place, (span, parent, caller) in enumerate(nodes):
        made["span"][place], made["parent"][place], made["side"][place] = span, parent, caller
    return made


def test_a_span_id_of_another_transaction_is_no_parent() -> None:
    tree = grow(rows((1, 0, 0), (2, 1, 0), (3, 1, 0)), np.array([0, 0, 1]), 2)
    assert tree.orphan_count.tolist() == [0, 1]
    assert tree.root_count.tolist() == [1, 0]
    assert tree.is_whole.tolist() == [True, False]


def test_groups_without_nodes_are_not_whole() -> None:
    tree = grow(rows((0, 0, 0)), np.array([0]), 1)
    assert (tree.is_whole.tolist(), tree.node_count.tolist()) == ([False], [0])


def test_the_callees_half_stands_for_a_shared_id() -> None:
    tree = grow(rows((1, 0, 0), (2, 1, 1), (2, 1, 0), (3, 2, 0)), np.zeros(4, np.int64), 1)
    assert tree.parent_row.tolist() == [-1, 0, 0, 2]
    assert tree.other_half.tolist() == [-1, 2, -1, -1]


def test_a_hundred_trees_with_the_same_span_ids_keep_apart() -> None:
    count, size = 100, 300
    made = np.zeros(count * size, ROW)
    made["span"] = np.tile(np.arange(1, size + 1), count)
    made["parent"] = np.tile(np.arange(size), count)
    tree = grow(made, np.repeat(np.arange(count), size), count)
    assert tree.is_whole.all()
    assert (tree.parent_row == np.where(made["parent"] == 0, -1, np.arange(count * size) - 1)).all()
