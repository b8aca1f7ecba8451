"""The twin of Grafana's expansion, checked against examples of what the real one answers."""

from typing import Any

import pytest

from tests.dashboards.grafana_query import ALL, Range, expand

TIME = Range(1_700_000_000_000, 1_700_003_600_000)


def grow(sql: str, **variables: Any) -> str:
    return expand(sql, variables, {"service": ["a", "b"]}, TIME)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("$__timeFilter(t)", "t >= toDateTime(1700000000) AND t <= toDateTime(1700003600)"),
        ("$__timeFilter_ms(t)", "t >= fromUnixTimestamp64Milli(1700000000000) AND t <= fromUnixTimestamp64Milli(1700003600000)"),
        ("$__dateFilter(d)", "d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')"),
        ("$__timeInterval(t)", "toStartOfInterval(toDateTime(t), INTERVAL 15 second)"),
        ("$__timeInterval_ms(t)", "toStartOfInterval(toDateTime64(t, 3), INTERVAL 15000 millisecond)"),
        ("$__timeFilter(f(a, b))", "f(a, b) >= toDateTime(1700000000) AND f(a, b) <= toDateTime(1700003600)"),
        ("$__interval_s $__interval $__interval_ms", "15 15s 15000"),
        ("$__from $__to $__range", "1700000000000 1700003600000 3600s"),
        ("$__fromTime $__toTime_ms", "toDateTime(1700000000) fromUnixTimestamp64Milli(1700003600000)"),
    ],
)
def test_a_macro_becomes_what_the_data_source_makes_of_it(sql: str, expected: str) -> None:
    assert grow(sql) == expected


def test_conditional_all_vanishes_for_all_and_for_nothing_chosen() -> None:
    sql = "WHERE $__conditionalAll(s IN (${service:sqlstring}), $service)"
    assert grow(sql, service=ALL) == "WHERE 1=1"
    assert grow(sql, service="") == "WHERE 1=1"
    assert grow(sql, service=["a", "it's"]) == "WHERE s IN ('a','it''s')"


def test_all_without_a_condition_stands_for_every_option() -> None:
    assert grow("s IN (${service:singlequote})", service=ALL) == "s IN ('a','b')"


def test_a_value_cannot_end_its_string() -> None:
    assert grow("x = ${id:sqlstring}", id="' OR 1=1 --") == "x = ''' OR 1=1 --'"


def test_an_unknown_variable_stays_as_it_is() -> None:
    assert grow("x = $nothing") == "x = $nothing"


def test_a_macro_in_a_comment_is_not_expanded() -> None:
    assert "toDateTime" not in grow("SELECT 1 -- $__timeFilter(t)")
