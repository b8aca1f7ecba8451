from __future__ import annotations

import json

import pyarrow as pa

from jobs.score.wire import WIRE_COLUMNS, points_to_json, points_to_json_lines
from schemas.point import POINT
from tests.score.points import make_points


def test_points_become_one_json_array_with_times_as_integers() -> None:
    rows = json.loads(points_to_json(make_points(3)))
    assert [tuple(row) for row in rows] == [WIRE_COLUMNS] * 3
    assert rows[1]["time_us"] == 1_700_000_060_000_000
    assert rows[1]["emitted_ms"] == 1_700_000_060_000
    assert rows[1]["entity"] == 'shop GET /"x"'


def test_what_json_has_no_number_for_becomes_null() -> None:
    points = make_points(3)
    odd = pa.array([float("nan"), float("inf"), None], pa.float64())
    points = points.set_column(POINT.names.index("expected"), "expected", odd)
    assert [row["expected"] for row in json.loads(points_to_json(points))] == [None, None, None]


def test_lines_hold_at_most_the_given_rows_and_together_all() -> None:
    lines = list(points_to_json_lines(make_points(25), rows=10))
    assert [len(json.loads(line)) for line in lines] == [10, 10, 5]
    assert all(b"\n" not in line for line in lines)


def test_no_points_are_an_empty_array() -> None:
    assert json.loads(points_to_json(POINT.empty())) == []
