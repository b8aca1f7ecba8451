from __future__ import annotations

import json
from typing import Any

from udfs.formats.user_expressions import Name
from udfs.formats.user_format import UserFormat
from udfs.normalise import NormaliseSettings
from udfs.normalise.explain import explain_lines


def _explain(line: str, *formats: UserFormat) -> Any:
    (answer,) = explain_lines([line.encode()], NormaliseSettings(redact=False, formats=formats))
    return json.loads(answer)


def test_a_field_of_a_text_comes_from_its_columns_with_its_unit() -> None:
    fields = _explain('203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a?b=c HTTP/1.1" 200 5 "-" "curl" rt=0.250')["fields"]
    assert fields["client_address"]["from"] == "columns 1-11"
    assert fields["timestamp"]["from"] == "columns 17-44"
    assert fields["duration_ms"] == {"value": 250.0, "from": "columns 88-92 * 1000"}
    assert fields["kind"]["from"] == "the format"


def test_a_field_of_an_object_comes_from_its_key() -> None:
    line = {"ClientHost": "1.2.3.4", "Duration": 1200000, "RequestMethod": "GET", "RequestPath": "/a?b=1", "DownstreamStatus": 200}
    told = _explain(json.dumps(line))
    assert told["format"] == "traefik_json"
    assert "Duration" in told["why"]
    assert told["fields"]["duration_ms"] == {"value": 1.2, "from": "$.Duration / 1000000"}
    assert told["fields"]["url_path"]["from"] == "$.RequestPath (a part of it)"
    assert told["fields"]["client_address"]["from"] == "$.ClientHost"


def test_a_format_of_the_users_own_shows_its_expressions() -> None:
    own = UserFormat("own", (("url_path", Name("p")),), pattern="^own (?P<p>.*)$", source="own.sql", expressions=(("url_path", "p"),))
    told = _explain("own /a", own)
    assert "own.sql" in told["why"]
    assert told["fields"]["url_path"] == {"value": "/a", "from": "p"}


def test_an_unread_line_says_what_was_tried() -> None:
    assert "built-in text formats were tried" in _explain("garbage")["why"]
    assert "only JSON formats" in _explain('{"x":')["why"]


def test_an_export_says_its_signal() -> None:
    assert "traces" in _explain('{"resourceSpans":[]}')["why"]
