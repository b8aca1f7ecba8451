from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.formats.values.distributions import Buckets, exponential_edges, quantile, quantile_suffix, statistics, suffixed


def test_a_quantile_lies_where_its_share_of_the_bucket_says() -> None:
    buckets = Buckets([0.0, 1.0, 2.0, 4.0], [50, 45, 5])
    assert quantile(buckets, 0.25) == 0.5
    assert quantile(buckets, 0.95) == 2.0
    assert quantile(buckets, 0.99) == pytest.approx(3.6)


def test_the_endless_bucket_answers_with_its_finite_edge() -> None:
    assert quantile(Buckets([0.0, 1.0, math.inf], [1, 99]), 0.99) == 1.0
    assert quantile(Buckets([-math.inf, -5.0, 1.0], [9, 1]), 0.5) == -5.0


def test_nothing_counted_has_no_quantile() -> None:
    assert quantile(Buckets([0.0, 1.0], [0]), 0.5) is None
    assert statistics(0, 0.0, Buckets([], [])) == [("count", 0), ("sum", 0.0)]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_lie_within_the_edges_and_rise(counts: list[int], q: float, higher: float) -> None:
    buckets = Buckets(list(range(len(counts) + 1)), counts)
    low, high = quantile(buckets, min(q, higher)), quantile(buckets, max(q, higher))
    assert (low is None) == (sum(counts) == 0)
    if low is not None and high is not None:
        assert 0 <= low <= high <= len(counts)


def test_suffixes_stand_before_the_attributes() -> None:
    assert suffixed("http.server.request.duration{http.route=/a{b}}", "p95") == "http.server.request.duration.p95{http.route=/a{b}}"
    assert [quantile_suffix(q) for q in (0.0, 0.5, 0.999, 1.0)] == ["min", "p50", "p99.9", "max"]


def test_exponential_edges_are_powers_of_the_base() -> None:
    assert np.allclose(exponential_edges(0, -1, 3), [0.5, 1, 2, 4])
    assert np.allclose(exponential_edges(1, 0, 2), [1, 2**0.5, 2])
    assert np.allclose(exponential_edges(-1, 0, 2), [1, 4, 16])
