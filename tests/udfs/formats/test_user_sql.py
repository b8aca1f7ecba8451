"""Formats of the user's own: what a definition compiles to, and how its mistakes are told."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from jobs.check_formats import check_formats
from schemas.errors import SqlError
from udfs.formats.user_sql import Definition, read_definition, read_definitions
from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

SHIPPED = Path(__file__).parents[3] / "sql" / "flink" / "formats"


def _definition(tmp_path: Path, columns: str, options: str, name: str = "mine") -> Definition:
    path = tmp_path / f"{name}.sql"
    path.write_text(f"CREATE TABLE {name} (\n  {columns}\n) WITH (\n  {options}\n);\n")
    return read_definition(path)


def _answers(definition: Definition, *lines: str) -> list[dict[str, Any]]:
    settings = NormaliseSettings(formats=(pickle.loads(pickle.dumps(definition.format)),), redact=False)
    return [json.loads(answer) for answer in parse_lines([line.encode() for line in lines], settings)]


def _value(tmp_path: Path, expression: str, text: str, target: str = "body") -> Any:
    """What an expression over the groups x and y gives."""
    definition = _definition(tmp_path, f"kind AS 'log', {target} AS {expression}", r"'pattern' = '^!(?<x>[^!]*)!(?<y>.*)$'")
    (answer,) = _answers(definition, text)
    return answer.get(target, answer.get("error", {}).get("reason"))


@pytest.mark.parametrize("definition", read_definitions(SHIPPED), ids=lambda d: d.format.name)
def test_a_shipped_format_reads_its_samples(definition: Definition) -> None:
    assert definition.samples
    for sample, answer in zip(definition.samples, _answers(definition, *(s.line for s in definition.samples)), strict=True):
        assert answer["format"] == definition.format.name
        assert sample.gives
        assert {name: answer.get(name) for name in sample.gives} == sample.gives


@pytest.mark.parametrize(
    ("expression", "text", "wanted"),
    [
        ("x", "!a!b", "a"),
        ("x || '/' || y", "!a!b", "a/b"),
        ("CONCAT(x, y)", "!a!b", "ab"),
        ("COALESCE(x, y)", "!-!b", "b"),
        ("COALESCE(NULLIF(x, 'a'), y)", "!a!b", "b"),
        ("CASE WHEN x = 'a' THEN 'one' WHEN x IN ('b', 'c') THEN 'two' ELSE 'many' END", "!c!", "two"),
        ("IF(x > 3, 'large', 'small')", "!10!", "large"),
        ("CASE WHEN x LIKE 'a%' AND NOT y IS NULL THEN y END", "!ab!z", "z"),
        ("CASE WHEN REGEXP(x, '^[0-9]+$') THEN 'digits' END", "!12!", "digits"),
        ("UPPER(TRIM(x, '[]'))", "![a]!", "A"),
        ("LOWER(SUBSTRING(x, 2, 2))", "!ABCD!", "bc"),
        ("REGEXP_EXTRACT(y, 'a=(\\d+) b=(\\d+)', 2)", "!!a=1 b=22", "22"),
        ("GROK(y, 'took=%{NUMBER:took}')", "!!took=1.5 x", "1.5"),
        ("SPLIT_INDEX(y, '|', 2)", "!!a|b|c", "c"),
        ("SPLIT_INDEX(y, '|', 7)", "!!a|b|c", "unknown_format"),
        ("JSON_VALUE(y, '$.a.b[1]')", '!!{"a":{"b":[1,2.5]}}', "2.5"),
        ("JSON_VALUE(y, '$[''a.b'']')", '!!{"a.b":true}', "true"),
        ("REGEXP_REPLACE(x, '([a-z])-([a-z])', '$2$1')", "!a-b!", "ba"),
        ("REPLACE(x, '+', ' ')", "!a+b!", "a b"),
        ("URL_DECODE(x)", "!a%20b!", "a b"),
        ("CAST(CAST(x AS DOUBLE) * 1000 AS STRING)", "!0.047!", "47"),
        ("CAST(CAST(x AS INT) AS STRING)", "!7.9!", "7"),
        ("TRACE_ID(x)", "!00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01!", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("REQUEST_ID(x)", "!req-17!", "req-17"),
    ],
)
def test_an_expression_gives(tmp_path: Path, expression: str, text: str, wanted: str) -> None:
    if wanted == "unknown_format":  # nothing to read: the field is left out
        assert _value(tmp_path, expression, text) is None
    else:
        assert _value(tmp_path, expression, text) == wanted


@pytest.mark.parametrize(
    ("target", "expression", "text", "wanted"),
    [
        ("duration_ms", "x * 1000", "!0.25!", 250.0),
        ("duration_s", "x", "!0.25!", None),
        ("duration_ms", "x", "!12ms!", 12.0),
        ("duration_ms", "x", "!-3!", "invalid_duration"),
        ("duration_ms", "x", "!soon!", "invalid_duration"),
        ("http_response_status_code", "x", "!404!", 404),
        ("http_response_status_code", "x", "!999!", "invalid_status"),
        ("http_response_status_code", "x", "!-!", None),
        ("http_response_body_size", "x", "!1.5!", "invalid_size"),
        ("client_address", "x", "![2001:db8::1]:443!", "2001:db8::1"),
        ("timestamp", "TO_TIMESTAMP(x, 'dd/MMM/yyyy:HH:mm:ss Z')", "!07/Feb/2024:01:02:03 +0100!", "2024-02-07T00:02:03.000000Z"),
        ("timestamp", "TO_TIMESTAMP(x, 'dd/MMM/yyyy:HH:mm:ss Z')", "!31/Feb/2024:01:02:03 +0100!", "invalid_timestamp"),
        ("timestamp", "TO_TIMESTAMP_LTZ(x, 3)", "!1707267723250!", "2024-02-07T01:02:03.250000Z"),
        ("timestamp", "COALESCE(TO_TIMESTAMP(x, 'yyyy'), TO_TIMESTAMP(y))", "!z!2024-02-07T01:02:03Z", "SqlError"),
        ("timestamp", "x", "!2024-02-07T01:02:03Z!", "2024-02-07T01:02:03.000000Z"),
    ],
)
def test_a_column_is_read_as_its_field(tmp_path: Path, target: str, expression: str, text: str, wanted: Any) -> None:
    if wanted == "SqlError":
        with pytest.raises(SqlError, match="it names no day"):
            _value(tmp_path, expression, text, target)
    else:
        assert _value(tmp_path, expression, text, target) == wanted


def test_a_unit_of_the_column_is_a_unit_of_the_duration(tmp_path: Path) -> None:
    definition = _definition(tmp_path, "duration_s AS took", "'pattern' = '^took (?<took>.*)$'")
    assert _answers(definition, "took 0.25")[0]["duration_ms"] == 250.0


def test_the_first_time_that_can_be_read_counts(tmp_path: Path) -> None:
    expression = "COALESCE(TO_TIMESTAMP(x, 'dd.MM.yyyy'), TO_TIMESTAMP(y))"
    assert _value(tmp_path, expression, "!gestern!2024-02-07T01:02:03Z", "timestamp") == "2024-02-07T01:02:03.000000Z"
    assert _value(tmp_path, expression, "!07.02.2024!", "timestamp") == "2024-02-07T00:00:00.000000Z"
    assert _value(tmp_path, expression, "!gestern!heute", "timestamp") == "invalid_timestamp"


def test_times_without_a_zone_are_in_the_formats_zone(tmp_path: Path) -> None:
    columns = "`timestamp` AS TO_TIMESTAMP(x, 'yyyy-MM-dd HH:mm:ss,SSS')"
    definition = _definition(tmp_path, columns, "'pattern' = '^local (?<x>.*)$', 'time-zone' = 'Europe/Berlin'")
    assert _answers(definition, "local 2024-07-01 12:00:00,250")[0]["timestamp"] == "2024-07-01T10:00:00.250000Z"


def test_json_lines_are_chosen_by_keys_and_values_before_the_built_in_formats(tmp_path: Path) -> None:
    columns = "duration_ms AS JSON_VALUE(line, '$.took') * 1000, url_path AS JSON_VALUE(line, '$.http.path')"
    definition = _definition(tmp_path, columns, "'matches.keys' = 'http, type=edge'")
    own, other = _answers(definition, '{"type":"edge","took":0.5,"http":{"path":"/a?b=c"}}', '{"type":"x","http":{},"path":"/p"}')
    assert (own["format"], own["duration_ms"], own["url_path"], own["url_query"]) == ("mine", 500.0, "/a", "b=c")
    assert (other["format"], other["url_path"]) == ("json", "/p")


def test_a_pattern_may_be_grok_with_own_names(tmp_path: Path) -> None:
    columns = "client_address AS clientip, http_request_method AS verb, url_path AS request, http_response_status_code AS response"
    definition = _definition(tmp_path, columns, "'pattern' = '^%{TAG} %{COMBINEDAPACHELOG}$', 'grok.TAG' = 'edge-[0-9]+'")
    (answer,) = _answers(definition, 'edge-7 10.0.0.1 - - [07/Feb/2024:01:02:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl"')
    assert (answer["format"], answer["client_address"], answer["url_path"]) == ("mine", "10.0.0.1", "/a")


def test_a_batch_reads_as_its_lines_alone(tmp_path: Path) -> None:
    columns = "http_request_method AS JSON_VALUE(line, '$.m'), duration_ms AS JSON_VALUE(line, '$.d') / 10, body AS JSON_VALUE(line, '$.b')"
    definition = _definition(tmp_path, columns, "'matches.keys' = 'm'")
    lines = [
        '{"m":"GET","d":1,"b":5}',
        '{"m":"GET","d":1.5,"b":5.0}',
        '{"m":"PUT","d":"2","b":"x"}',
        '{"m":"PUT"}',
        '{"m":7,"d":-1}',
        '{"m":[1],"b":1e20}',
    ]
    assert _answers(definition, *lines) == [answer for line in lines for answer in _answers(definition, line)]


@pytest.mark.parametrize(
    ("columns", "options", "told"),
    [
        ("http_method AS x", "'pattern' = '(?<x>a)'", r"mine.sql:2:3: unknown column 'http_method'; did you mean"),
        ("body AS y", "'pattern' = '(?<x>a)'", r"mine.sql:2:11: no group 'y' in the pattern; "),
        ("body AS UPER(x)", "'pattern' = '(?<x>a)'", r"mine.sql:2:11: unknown function UPER; did you mean UPPER\?"),
        ("body AS UPPER(x, x)", "'pattern' = '(?<x>a)'", r"mine.sql:2:11: UPPER takes other arguments; write UPPER\(method\)"),
        ("body AS x, body AS x", "'pattern' = '(?<x>a)'", r"mine.sql:2:14: column 'body' is there twice"),
        ("body STRING", "'pattern' = '(?<x>a)'", r"mine.sql:2:3: column 'body' says not what fills it"),
        ("body AS x", "'pattern' = '(?<x>a)(?=b)'", r"mine.sql:4:15: no regular expression of RE2 \(it has no look-around"),
        ("body AS x", "'pattern' = '%{NUMBR:x}'", r"mine.sql:4:15: unknown grok pattern 'NUMBR'; did you mean 'NUMBER'\?"),
        ("body AS x", "'patern' = '(?<x>a)'", r"mine.sql:4:3: unknown option 'patern'; did you mean 'pattern'\?"),
        ("body AS (x", "'pattern' = '(?<x>a)'", r"mine.sql:\d+:\d+: "),
        ("body AS JSON_VALUE(line, 'a.b')", "'matches.keys' = 'a'", r"mine.sql:2:28: 'a.b' is no path"),
        ("body AS line", "'time-zone' = 'UTC'", r"mine.sql:1:14: nothing says which lines are of this format"),
        ("body AS TO_TIMESTAMP(line, 'YYYY')", "'pattern' = 'a'", r"mine.sql:2:30: no time pattern: 'YYYY' is no part of a time"),
        ("body AS CASE WHEN line THEN line END", "'pattern' = 'a'", r"mine.sql:2:\d+: types do not go together"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, columns: str, options: str, told: str) -> None:
    with pytest.raises(SqlError, match=told) as error:
        _definition(tmp_path, columns, options)
    assert "\n" not in str(error.value)


def test_a_hostile_expression_is_linear(tmp_path: Path) -> None:
    definition = _definition(tmp_path, "body AS x", "'pattern' = '^(?<x>(a|aa|a*)*)*b$'")
    (answer,) = _answers(definition, "a" * 60_000)
    assert answer["error"]["reason"] == "unknown_format"


def test_one_name_may_be_given_once(tmp_path: Path) -> None:
    _definition(tmp_path, "body AS line", "'pattern' = 'a'")
    (tmp_path / "other.sql").write_text((tmp_path / "mine.sql").read_text())
    with pytest.raises(SqlError, match="format 'mine' is also defined in mine.sql"):
        read_definitions(tmp_path)


def test_the_example_of_the_documentation_is_right(tmp_path: Path) -> None:
    page = (SHIPPED.parents[2] / "docs" / "formats-of-your-own.md").read_text()
    path = tmp_path / "flink" / "formats" / "my_gateway.sql"
    path.parent.mkdir(parents=True)
    path.write_text(page.split("```sql\n")[1].split("```")[0])
    result = check_formats(tmp_path)
    assert not result.mistakes
    assert result.definitions[0].samples
