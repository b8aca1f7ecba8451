from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.formats.values.categories import category_of_status, read_categories
from udfs.formats.values.quantities import duration_ms, read_durations, read_sizes, read_statuses, size_bytes, status_code

_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 700),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "-", "12", "1.5", "5ms", "0.25s", "x", "-3", "NaN", "1e3"]),
)


@pytest.mark.parametrize(
    ("value", "unit_ms", "expected"),
    [
        (5, 1.0, 5.0),
        (0.047, 1e3, 47.0),
        ("0.006s", 1.0, 6.0),
        ("12ms", 1e3, 12.0),
        ("250us", 1.0, 0.25),
        ("-", 1.0, None),
        (None, 1.0, None),
        (1500, 1e-6, 0.0015),
    ],
)
def test_duration_is_read_in_ms(value: object, unit_ms: float, expected: float | None) -> None:
    assert duration_ms(value, unit_ms) == expected


@pytest.mark.parametrize("value", [-1, -0.5, "-5", "abc", True, [1], float("nan"), float("inf"), "5 parsecs"])
def test_impossible_duration_is_bad(value: object) -> None:
    _, bad = read_durations([value, 1.0])
    assert bad is not None
    assert bad.tolist() == [True, False]


@pytest.mark.parametrize("value", [999, 600, 99, 1, -5, "99", "2xx", 200.5, True])
def test_impossible_status_is_bad(value: object) -> None:
    statuses, bad = read_statuses([value, 200])
    assert bad is not None
    assert bad.tolist() == [True, False]
    assert statuses.to_pylist() == [None, 200]


@pytest.mark.parametrize("value", [0, -1, "-", "", None, "0"])
def test_status_that_was_not_sent_is_null(value: object) -> None:
    assert read_statuses([value])[0].to_pylist() == [None]


@pytest.mark.parametrize(("read", "one"), [(read_durations, duration_ms), (read_sizes, size_bytes), (read_statuses, status_code)])
@given(column=st.lists(_VALUES, max_size=6))
def test_columns_read_like_their_values_one_by_one(read: Callable[..., Any], one: Callable[..., Any], column: list[object]) -> None:
    array, bad = read(column)
    for index, value in enumerate(column):
        try:
            expected = one(value)
        except (ValueError, OverflowError):
            assert bad is not None
            assert bad[index]
        else:
            assert bad is None or not bad[index]
            assert array[index].as_py() == expected


_CATEGORIES = {
    "": (200, 302, None),
    "client_abort": (460, 499),
    "dependency": (424,),
    "validation": (400, 404, 405, 409, 422),
    "authentication": (401, 407),
    "authorization": (403,),
    "timeout": (408, 504),
    "rate_limit": (429,),
    "backend": (500, 502, 503),
}


@pytest.mark.parametrize(("status", "category"), [(status, name) for name, statuses in _CATEGORIES.items() for status in statuses])
def test_status_has_its_category(status: int | None, category: str) -> None:
    assert category_of_status(status) == category
    assert read_categories(read_statuses([status])[0]).to_pylist() == [category]
