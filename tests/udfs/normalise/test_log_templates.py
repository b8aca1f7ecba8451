from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.udfs.raw_records import raw_records
from udfs.normalise import normalise
from udfs.normalise.log_templates import read_templates


@pytest.mark.parametrize(
    ("messages", "template"),
    [
        (["Connection to 10.0.0.1:5432 failed after 3 tries", "Connection to db-7:5432 failed after 12 tries"],
         "Connection to <*> failed after <*> tries"),
        (["user 5f0c1d2e-8a7b-4c3d-9e0f-112233445566 not found", "user 17 not found"], "user <*> not found"),
        (['cannot open "a b.txt"', "cannot open 'c'"], "cannot open <*>"),
        (["retry=true id=ab-c", "retry=false id=x"], "retry=<*> id=<*>"),
        (["sizes [1, 2, 3]", "sizes [7]"], "sizes [<*>]"),
        (["boom\n  at a.py line 3", "boom\r\n\ttrace"], "boom"),
        (["mail to a@example.com bounced"], "mail to <*> bounced"),
    ],
)  # fmt: skip
def test_messages_that_differ_in_values_only_share_a_template(messages: list[str], template: str) -> None:
    assert set(read_templates(pa.array(messages)).to_pylist()) == {template}


def test_different_words_are_different_templates_and_nothing_stays_nothing() -> None:
    assert read_templates(pa.array(["started", "stopped", None])).to_pylist() == ["started", "stopped", None]


@given(st.lists(st.text(max_size=300), max_size=5))
def test_a_template_depends_on_its_message_alone_and_is_short(messages: list[str]) -> None:
    together = read_templates(pa.array(messages, pa.string())).to_pylist()
    assert together == [read_templates(pa.array([message])).to_pylist()[0] for message in messages]
    assert all(len(template) <= 200 for template in together)
    assert not any("0" <= letter <= "9" for template in together for letter in template)


def test_log_records_carry_their_template_and_requests_none() -> None:
    lines = [
        {"time": "2026-01-01T00:00:00Z", "level": "error", "message": "order 17 lost"},
        {"method": "GET", "path": "/a/1", "status": 200},
    ]
    out = normalise(raw_records([json.dumps(line).encode() for line in lines]))
    assert [(row["kind"], row["log_template"]) for row in out.events.to_pylist()] == [("log", "order <*> lost"), ("access", None)]
