"""CloudWatch Logs subscriptions: the lines within are read as if they had come alone."""

from __future__ import annotations

import json
from typing import Any

from tests.udfs.formats.answers import answer
from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

_API = {"requestId": "r1", "requestTimeEpoch": 1773310272123, "httpMethod": "GET", "resourcePath": "/a", "status": "200"}
_COMMON = '203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5'


def _message(*lines: str, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    events = [{"id": str(place), "timestamp": 1773310272000 + place, "message": line} for place, line in enumerate(lines)]
    return {
        "messageType": kind, "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events,
    }  # fmt: skip


def test_one_message_reads_as_its_line() -> None:
    assert answer(_message(json.dumps(_API))) == answer(_API)


def test_lines_of_several_formats_keep_their_order() -> None:
    found = answer(_message(json.dumps(_API), _COMMON + "\n", "START RequestId: 7", "[INFO] ready", json.dumps({**_API, "status": "999"})))
    assert [event["format"] for event in found["events"]] == ["aws_apigateway", "common", "cloudwatch", "cloudwatch"]
    assert [event["kind"] for event in found["events"]] == ["access", "access", "log", "log"]
    assert found["events"][2]["body"] == "START RequestId: 7"
    assert [error["reason"] for error in found["errors"]] == ["invalid_status"]


def test_line_without_a_time_has_the_events() -> None:
    found = answer(_message(json.dumps({"method": "GET", "path": "/a", "status": 200}), "text"))
    assert [event["timestamp"] for event in found["events"]] == ["2026-03-12T10:11:12.000000Z", "2026-03-12T10:11:12.001000Z"]


def test_line_ends_within_part_no_message() -> None:
    assert answer(_message("Traceback\n  at x\n"))["body"] == "Traceback\n  at x"


def test_message_without_events_is_refused() -> None:
    assert answer(_message(kind="CONTROL_MESSAGE"))["error"]["reason"] == "not_access"
    assert answer({**_message(), "logEvents": [1, None]})["error"]["reason"] == "not_access"


def test_subscription_within_a_subscription_is_opened() -> None:
    assert answer(_message(json.dumps(_message(_COMMON))))["format"] == "common"


def test_a_subscription_is_opened_beside_lines_of_containers() -> None:
    docker = {"log": f"{_COMMON}\n", "stream": "stdout", "time": "2026-03-12T10:11:12.5Z"}
    lines = [json.dumps(value).encode() for value in (_message(_COMMON, "START RequestId: 7"), docker)]
    together = [json.loads(text) for text in parse_lines(lines, NormaliseSettings(redact=False))]
    assert together == [answer(_message(_COMMON, "START RequestId: 7")), answer(docker)]
    assert [event["kind"] for event in together[0]["events"]] == ["access", "log"]
