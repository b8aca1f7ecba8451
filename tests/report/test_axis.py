"""Round numbers and times on axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.report.axis import clock_label, format_value, nice_ticks, time_ticks


@given(st.floats(1e-9, 1e12))
def test_ticks_begin_at_0_reach_the_top_and_are_few(top: float) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] >= top * 0.999
    assert 2 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize("top", [0.0, -1.0, float("nan"), float("inf")])
def test_an_empty_chart_still_has_an_axis(top: float) -> None:
    assert nice_ticks(top) == [0.0, 1.0]


@given(st.floats(1e9, 4e9), st.floats(1, 3e7))
def test_time_ticks_lie_within_the_span_and_are_few(start: float, span: float) -> None:
    ticks = time_ticks(start, start + span)
    assert all(start <= tick <= start + span for tick in ticks)
    assert len(ticks) <= 13


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0312, "%", "3.12 %"),
        (0.5, "%", "50 %"),
        (12.34, "ms", "12.3 ms"),
        (1532.0, "ms", "1.53 s"),
        (48_213.0, "", "48.2 k"),
        (2_500_000.0, "", "2.5 M"),
        (0.0, "/s", "0 /s"),
        (None, "ms", "–"),
        (float("nan"), "", "–"),
        (9_999.0, "", "9,999"),
    ],
)
def test_values_read_well(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_a_label_is_as_short_as_the_span_allows() -> None:
    at = 1_767_225_661.0
    assert clock_label(at, 300) == "00:01:01"
    assert clock_label(at, 7_200) == "00:01"
    assert clock_label(at, 5 * 86_400) == "01 Jan 00:01"
