"""What is published from the declarations is up to date and true."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import pytest

from jobs.published import ROOT, json_schema, main, render_all
from jobs.wire import messages
from schemas.event import DEAD_LETTER
from schemas.point import ANOMALY, INCIDENT
from schemas.record import Record
from tests.dashboards import world

_TOPICS: dict[str, Record] = {"anomalies": ANOMALY, "incidents": INCIDENT, "dead-letters": DEAD_LETTER}


def test_the_committed_files_are_what_the_declarations_render() -> None:
    assert {path: path.read_text() for path in render_all()} == render_all(), "run: python -m jobs.published"
    assert main(["--check"]) == 0


def test_every_topic_that_leaves_the_product_has_a_schema() -> None:
    assert {path.name for path in (ROOT / "schemas" / "json").iterdir()} == {f"{topic}.schema.json" for topic in _TOPICS}


@pytest.mark.parametrize("topic", _TOPICS)
def test_real_messages_fit_the_schema(topic: str) -> None:
    view = topic.replace("-", "_")
    schema = json_schema(topic, _TOPICS[topic])
    texts = list(messages(view, world.rows()[view]))
    assert texts
    for text in texts:
        message = json.loads(text)
        assert list(message) == schema["required"] == list(schema["properties"])
        for name, value in message.items():
            assert _fits(value, schema["properties"][name]), (name, value)


def test_a_message_that_does_not_fit_is_noticed() -> None:
    schema = json_schema("incidents", INCIDENT)["properties"]
    assert not _fits(None, schema["incident_id"])
    assert not _fits("3", schema["anomaly_count"])
    assert not _fits("yesterday", schema["started_at"])


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "null": (type(None),),
}


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, _TYPES[name]) and (name == "boolean") == isinstance(value, bool) for name in names):
        return False
    if value is None:
        return True
    try:
        if schema.get("format") == "date-time":
            return datetime.fromisoformat(value).tzinfo is not None
        if schema.get("contentEncoding") == "base64":
            base64.b64decode(value, validate=True)
    except ValueError:
        return False
    return True
