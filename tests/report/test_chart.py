"""Charts: valid SVG, nothing outside the drawing, gaps where values are missing, names escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from jobs.report.chart import Band, Mark, Series, line_chart, sparkline
from jobs.report.waterfall import Bar, waterfall

VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e9)), min_size=0, max_size=40)


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@given(VALUES, st.booleans())
def test_any_values_give_a_drawing_within_its_frame(values: list[float | None], stacked: bool) -> None:
    times = [float(5 * i) for i in range(len(values))]
    root = drawn(line_chart([Series("a", times, values)], unit="ms", start=0, end=200, step_s=5, stacked=stacked))
    for path in root.iter("path"):
        for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", path.get("d", "")):
            assert 0 <= float(x) <= 640
            assert -10 <= float(y) <= 230


def test_missing_values_break_the_line() -> None:
    svg = line_chart([Series("a", [0, 5, 10, 15, 20], [1, 2, None, 2, 1])], unit="", start=0, end=20, step_s=5)
    line = next(path for path in drawn(svg).iter("path") if path.get("class", "").startswith("line"))
    assert line.get("d", "").count("M") == 2


def test_a_time_without_a_value_breaks_the_line_too() -> None:
    svg = line_chart([Series("a", [0, 5, 60, 65], [1, 1, 1, 1])], unit="", start=0, end=70, step_s=5)
    line = next(path for path in drawn(svg).iter("path") if path.get("class", "").startswith("line"))
    assert line.get("d", "").count("M") == 2


def test_anomalies_and_values_tell_themselves_when_pointed_at() -> None:
    band = Band([0, 5], [1.0, 1.0], [3.0, 3.0], [2.0, 2.0])
    svg = line_chart(
        [Series("p95", [0, 5], [2.0, 9.0])], unit="ms", start=0, end=10, step_s=5, band=band, marks=[Mark(5, 9.0, "score 90: too slow")]
    )
    titles = [title.text for title in drawn(svg).iter("title")]
    assert "score 90: too slow" in titles
    assert any(title and "p95: 9 ms" in title and "normal: 1 ms to 3 ms" in title for title in titles)


def test_a_wide_band_does_not_flatten_the_line() -> None:
    series = Series("a", [0, 5], [10.0, 10.0])
    svg = line_chart([series], unit="", start=0, end=10, step_s=5, band=Band([0, 5], [0.0, 0.0], [1e6, 1e6]))
    line = next(path for path in drawn(svg).iter("path") if path.get("class", "").startswith("line"))
    assert float(re.findall(r"[\d.]+ ([\d.]+)", line.get("d", ""))[0]) < 170


def test_stacked_areas_stand_on_each_other() -> None:
    series = [Series("a", [0, 5], [1.0, 1.0], 0), Series("b", [0, 5], [1.0, 1.0], 1)]
    areas = [path.get("d", "") for path in drawn(line_chart(series, unit="", start=0, end=5, step_s=5, stacked=True)).iter("path")]
    lowest = [max(float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", area)) for area in areas]
    assert lowest[1] < lowest[0]


def test_names_are_escaped() -> None:
    svg = line_chart([Series("<b>&", [0.0], [1.0])], unit="", start=0, end=5, step_s=5, label='"<x>')
    assert drawn(svg).get("aria-label") == '"<x>'
    assert "<b>" not in svg


def test_a_sparkline_of_nothing_is_nothing() -> None:
    assert sparkline([None, None]) == ""
    assert drawn(sparkline([1.0, None, 3.0])) is not None


def bar(span: str, parent: str, start: float) -> Bar:
    return Bar(span, parent, f"service-{span}", f"GET /{span}", start, 5.0, 200, False)


def test_children_stand_below_their_parent_and_are_indented() -> None:
    svg = drawn(waterfall([bar("root", "", 0), bar("b", "root", 8), bar("a", "root", 1), bar("a1", "a", 2)]))
    names = [(node.text, float(node.get("x", 0))) for node in svg.iter("text") if "name" in node.get("class", "")]
    assert [name.split("/")[1].split(" ")[0] for name, _ in names if name] == ["root", "a", "a1", "b"]
    assert [x for _, x in names] == [8, 24, 40, 24]


def test_a_circle_of_parents_still_shows_every_event() -> None:
    svg = drawn(waterfall([bar("a", "b", 0), bar("b", "a", 1), bar("c", "c", 2), bar("", "", 3)]))
    assert len([node for node in svg.iter("rect")]) == 4


def test_what_times_suggest_is_dashed_and_the_critical_path_is_framed() -> None:
    lines = [Bar("", "", name, "GET /", start, length, 200, False) for name, start, length in (("edge", 0, 90), ("shop", 5, 80))]
    svg = drawn(waterfall(lines))
    assert ["inferred" in node.get("class", "") for node in svg.iter("rect")] == [False, True]
    assert ["critical" in node.get("class", "") for node in svg.iter("rect")] == [True, False]
    assert [node.text or "" for node in svg.iter("text") if "name" in node.get("class", "")][1].startswith("? shop")


def test_a_wrong_clock_is_corrected_and_the_logged_time_is_told() -> None:
    half = Bar("b", "a", "shop", "POST /pay", 10.0, 20.0, None, False, "client", "h1")
    svg = drawn(waterfall([Bar("a", "", "shop", "GET /", 0.0, 50.0, 200, False, "server", "h1"), half,
                           Bar("c", "b", "pay", "POST /pay", 715.0, 10.0, 200, False, "server", "h2")]))  # fmt: skip
    told = [node.text or "" for node in svg.iter("title")]
    assert "-700.0 ms added (logged 715.0 ms" in told[2]
    assert "starts after 15 ms" in told[2]
