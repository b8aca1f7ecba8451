"""Lines of the text formats with all their fields: usual ones, and what real deployments have besides."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.udfs.formats.text_lines import golden_lines, read_each
from udfs.formats import aws_alb, common_log, envoy_text, haproxy, iis, nginx_proxy_manager, openstack_api, zoraxy
from udfs.formats.cuts import match_lines

_LINES = golden_lines()
_FREE = ("quoted", "cluster", "remote", "first", "third")  # where the two may differ without changing a field
_CUT_FORMATS = (aws_alb, common_log, envoy_text, haproxy, iis, nginx_proxy_manager, openstack_api, zoraxy)


@pytest.fixture(scope="module")
def together() -> dict[str, dict[str, Any]]:
    """Answers to all lines, read as one batch in another order."""
    order = list(range(len(_LINES)))
    random.Random(3).shuffle(order)
    answers = read_each([_LINES[place]["line"] for place in order])
    return {_LINES[place]["id"]: answer for place, answer in zip(order, answers, strict=True)}


@pytest.mark.parametrize("golden", _LINES, ids=lambda golden: golden["id"])
def test_line_has_its_fields(golden: dict[str, Any]) -> None:
    assert read_each([golden["line"]]) == [golden["fields"]]


def test_lines_are_read_alike_alone_and_among_others(together: dict[str, dict[str, Any]]) -> None:
    assert together == {golden["id"]: golden["fields"] for golden in _LINES}


@pytest.mark.parametrize("text_format", _CUT_FORMATS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_cutting_a_line_gives_what_the_pattern_gives(text_format: ModuleType) -> None:
    lines = pa.array([golden["line"] for golden in _LINES], pa.string())
    cut, sure = text_format._quick(lines)
    places = np.flatnonzero(sure & text_format.looks_like(lines).to_numpy(zero_copy_only=False))
    assert len(places) >= 2
    matched, taken = match_lines(lines.take(pa.array(places)), text_format._LINE)
    assert taken.all()
    for name, array in cut.items():
        if name == "istio":  # only told whether it is there
            assert [bool(text) for text in matched[name].to_pylist()] == [bool(text) for text in array.take(pa.array(places)).to_pylist()]
        elif name in matched and name not in _FREE:
            assert matched[name].to_pylist() == array.take(pa.array(places)).to_pylist(), name


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_LINES), st.integers(0, 400), st.sampled_from(["cut", '"', " ", "\\", "[", "]", "\x00", "é", "-"])),
        max_size=30,
    )
)
def test_mangled_lines_are_read_or_refused(mangled: list[tuple[dict[str, Any], int, str]]) -> None:
    lines = []
    for golden, place, change in mangled:
        line = golden["line"]
        lines.append(line[:place] if change == "cut" else line[:place] + change + line[place + 1 :])
    answers = read_each(lines)
    assert len(answers) == len(lines)
    assert all(answer or line.startswith("#") for answer, line in zip(answers, lines, strict=True))
    assert answers == [read_each([line])[0] for line in lines]
