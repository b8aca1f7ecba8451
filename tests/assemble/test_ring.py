"""The ring against a list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.assemble.ring import Ring

RECORD = np.dtype([("number", "<i8"), ("code", "<i4")])


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=20))
def test_positions_stay_valid_until_they_are_dropped(drawn: list[tuple[int, int]]) -> None:
    ring, model = Ring(RECORD), list[int]()
    for count, dropped in drawn:
        records = np.zeros(count, RECORD)
        records["number"] = np.arange(len(model), len(model) + count)
        assert ring.append(records) == len(model)
        model += records["number"].tolist()
        ring.drop_before(min(ring.begin + dropped, ring.end))
        assert ring.slice(ring.begin, ring.end)["number"].tolist() == model[ring.begin :]
        assert len(ring) == ring.end - ring.begin


def test_one_field_can_be_overwritten_across_the_seam() -> None:
    ring = Ring(RECORD)
    ring.append(np.zeros(1000, RECORD))
    ring.drop_before(1000)
    first = ring.append(np.zeros(100, RECORD))
    ring.put("code", first, np.arange(100))
    assert ring.slice(first, first + 100)["code"].tolist() == list(range(100))


def test_memory_is_given_back() -> None:
    ring = Ring(RECORD)
    ring.append(np.zeros(1_000_000, RECORD))
    ring.drop_before(999_990)
    assert len(ring) == 10
    assert ring._buffer.nbytes < 100_000
