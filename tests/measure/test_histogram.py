"""Quantiles stay within the stated error, however the histogram was put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.measure.histogram import RELATIVE_ERROR, SMALLEST_MS, bucket_values, buckets, quantiles

_SHARES = (0.5, 0.95, 0.99)
_DURATIONS = st.lists(st.floats(SMALLEST_MS * 1.001, 1e9), min_size=1, max_size=200)


def _quantiles(samples: NDArray[Any]) -> NDArray[Any]:
    ids, counts = np.unique(buckets(samples), return_counts=True)
    result: NDArray[Any] = quantiles(np.zeros(len(ids), np.int64), ids, counts, 1, _SHARES)[0]
    return result


@given(_DURATIONS)
def test_a_quantile_is_within_the_relative_error_of_its_sample(durations: list[float]) -> None:
    samples = np.sort(np.array(durations))
    ranks = np.floor(np.array(_SHARES) * (len(samples) - 1) + 1e-9).astype(int)
    assert np.all(np.abs(_quantiles(samples) / samples[ranks] - 1) <= RELATIVE_ERROR + 1e-9)


@given(_DURATIONS)
def test_a_bucket_value_is_within_the_relative_error_of_all_it_holds(durations: list[float]) -> None:
    samples = np.array(durations)
    assert np.all(np.abs(bucket_values(buckets(samples)) / samples - 1) <= RELATIVE_ERROR + 1e-9)


@pytest.mark.parametrize("duration", [0.0, -5.0, SMALLEST_MS / 2, SMALLEST_MS])
def test_durations_below_the_clock_of_logs_are_0(duration: float) -> None:
    assert bucket_values(buckets(np.array([duration]))).tolist() == [0.0]


def test_many_histograms_at_once_are_as_each_alone_and_empty_ones_are_nan() -> None:
    one, other = np.array([1.0, 2.0, 3.0]), np.array([50.0])
    ids = np.concatenate([buckets(one), buckets(other)])
    result = quantiles(np.array([0, 0, 0, 2]), ids, np.ones(4, np.int64), 3, _SHARES)
    assert np.array_equal(result[0], _quantiles(one))
    assert np.isnan(result[1]).all()
    assert np.array_equal(result[2], _quantiles(other))
