"""The hash table against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.assemble.index import KeyIndex

steps = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 300), max_size=60)), max_size=40)


@given(steps, st.sampled_from([1, 1 << 32, 0xF1DE83E19937733D]))  # the last one sends consecutive keys to neighbouring places
def test_it_is_a_dictionary(drawn: list[tuple[bool, set[int]]], stride: int) -> None:
    index, model, next_slot = KeyIndex(), dict[int, int](), 0
    for adding, chosen in drawn:
        some = [number * stride % (1 << 64) for number in chosen]
        if adding:
            new = [key for key in some if key not in model]
            slots = list(range(next_slot, next_slot + len(new)))
            next_slot += len(new)
            index.put(np.array(new, np.uint64), np.array(slots, np.int64))
            model.update(zip(new, slots, strict=True))
        else:
            old = [key for key in some if key in model]
            index.remove(np.array(old, np.uint64))
            for key in old:
                del model[key]
        everything = [number * stride % (1 << 64) for number in range(301)]
        assert index.find(np.array(everything, np.uint64)).tolist() == [model.get(key, -1) for key in everything]
        assert len(index) == len(model)


def test_it_grows_and_keeps_working_when_keys_come_and_go() -> None:
    index = KeyIndex()
    keys = np.random.default_rng(0).integers(0, 1 << 63, 50_000).astype(np.uint64)
    for round_number in range(4):
        index.put(keys, np.arange(len(keys)))
        assert (index.find(keys) == np.arange(len(keys))).all()
        index.remove(keys)
        assert (index.find(keys) == -1).all(), round_number
    assert len(index) == 0
