"""Transaction ids as two numbers and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jobs.assemble.identity import hex_halves
from udfs.hashing import hex_ids


def test_halves_are_the_inverse_of_hex_ids() -> None:
    high, low = np.random.default_rng(0).integers(0, 1 << 63, (2, 100)).astype(np.uint64)
    ids = pa.concat_arrays([pa.array(["f" * 32]), hex_ids(high, low)])
    for part, expected in ((ids.slice(1), (high, low)), (ids.slice(0, 1), ([2**64 - 1], [2**64 - 1])), (ids.slice(0, 0), ([], []))):
        got = hex_halves(part)
        assert got[0].tolist() == list(expected[0])
        assert got[1].tolist() == list(expected[1])


@pytest.mark.parametrize("bad", ["", "0" * 31, "0" * 33, "g" * 32, "F" * 32, None])
def test_what_is_no_id_is_refused(bad: str | None) -> None:
    with pytest.raises(ValueError, match="32 hex digits"):
        hex_halves(pa.array(["0" * 32, bad]))
