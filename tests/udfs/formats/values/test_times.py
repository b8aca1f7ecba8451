from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.formats.values.times import TIMESTAMP, epoch_us, read_clf_times, read_time_texts, read_times, time_us

_MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 30))  # noqa: DTZ001 - zones are drawn apart
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _us(moment: datetime) -> int:
    return calendar.timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-31T00:00:00Z",
        "2025-02-29 00:00:00",
        "31/Feb/2026:10:11:12 +0000",
        "12/Foo/2026:10:11:12 +0000",
        "2026-13-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "yesterday",
        "12:00",
        True,
        [1],
        {},
        -5,
        1e30,
        "1e400",
    ],
)
def test_time_that_does_not_exist_is_bad(text: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        time_us(text)
    times, bad = read_times([text, "2026-01-01T00:00:00Z"])
    assert bad is not None
    assert bad.tolist() == [True, False]
    assert times.is_valid().to_pylist()[1]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-12T10:11:12Z", "2026-03-12T10:11:12+00:00"),
        ("2026-03-12 10:11:12.5", "2026-03-12T10:11:12.500000+00:00"),
        ("2026-03-12T10:11:12.123456789+05:30", "2026-03-12T04:41:12.123456+00:00"),
        ("2026-03-12T10:11:12,25-0700", "2026-03-12T17:11:12.250000+00:00"),
        ("2026-03-12T10:11Z", "2026-03-12T10:11:00+00:00"),
        ("2026-03-12T10Z", "2026-03-12T10:00:00+00:00"),
        ("2026-03-12T10:11:12+23:59", "2026-03-11T10:12:12+00:00"),
        (" 2026-03-12t10:11:12z ", "2026-03-12T10:11:12+00:00"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59+00:00"),
        ("24/Jul/2025:18:46:15 -0400", "2025-07-24T22:46:15+00:00"),
        ("1776000000", "2026-04-12T13:20:00+00:00"),
        ("1776000000.25", "2026-04-12T13:20:00.250000+00:00"),
        (1776000000123, "2026-04-12T13:20:00.123000+00:00"),
        (1776000000123456, "2026-04-12T13:20:00.123456+00:00"),
        (1776000000123456789, "2026-04-12T13:20:00.123456+00:00"),
        (1776000000.5, "2026-04-12T13:20:00.500000+00:00"),
    ],
)
def test_time_is_read_alone_and_among_others(text: object, iso: str) -> None:
    expected = _us(datetime.fromisoformat(iso))
    assert time_us(text) == expected
    for column in ([text], [text, "2026-01-01T00:00:00Z"], [None, text, "31/Feb/2026:10:11:12 +0000"]):
        times, _ = read_times(column)
        assert times.cast(pa.int64()).to_pylist()[column.index(text)] == expected


@pytest.mark.parametrize("nothing", [None, "", "-"])
def test_no_time_is_null(nothing: object) -> None:
    times, bad = read_times([nothing, 1776000000])
    assert bad is None
    assert times.is_valid().to_pylist() == [False, True]


@given(st.lists(st.tuples(_MOMENTS, _ZONES, st.sampled_from("Zon")), min_size=1, max_size=8))
def test_iso_texts_are_read_as_python_reads_them(cases: list[tuple[datetime, timezone, str]]) -> None:
    texts, expected = [], []
    for moment, zone, style in cases:
        aware = moment.replace(tzinfo=UTC if style != "o" else zone)
        texts.append(moment.isoformat() + {"Z": "Z", "o": aware.isoformat()[-6:], "n": ""}[style])
        expected.append(_us(aware))
    times, bad = read_time_texts(pa.array(texts))
    assert bad is None
    assert times.type == TIMESTAMP
    assert times.cast(pa.int64()).to_pylist() == expected
    assert [time_us(text) for text in texts] == expected


@given(st.lists(st.tuples(_MOMENTS, _ZONES), min_size=1, max_size=8))
def test_common_log_times_are_read_as_python_reads_them(cases: list[tuple[datetime, timezone]]) -> None:
    aware = [moment.replace(microsecond=0, tzinfo=zone) for moment, zone in cases]
    texts = [a.strftime("%d/%b/%Y:%H:%M:%S %z") for a in aware]
    times, bad = read_clf_times(pa.array(texts))
    assert bad is None
    assert times.cast(pa.int64()).to_pylist() == [_us(a) for a in aware]


@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=12), st.integers(), st.floats(), st.just("2026-01-01T00:00:00Z"), st.booleans()), max_size=6
    )
)
def test_any_column_reads_like_its_values_one_by_one(column: list[object]) -> None:
    times, bad = read_times(column)
    for index, value in enumerate(column):
        try:
            expected = time_us(value)
        except (ValueError, OverflowError):
            assert bad is not None
            assert bad[index]
        else:
            assert bad is None or not bad[index]
            assert times.cast(pa.int64())[index].as_py() == expected


def test_epoch_units_are_told_apart_by_size() -> None:
    assert {epoch_us(1776000000 * factor) for factor in (1, 10**3, 10**6, 10**9)} == {1776000000 * 10**6}
