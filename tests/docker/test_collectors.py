"""docker/collectors/: every example parses, writes to the topic that is read, and keeps its secrets outside."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTORS = Path(__file__).resolve().parents[2] / "docker" / "collectors"
EXAMPLES = sorted(path.name for path in COLLECTORS.iterdir() if path.name != "builder.yaml")
_HTTP_DOORS = ("otel-http-intake.yaml", "vector-http-intake.toml", "filebeat.yaml", "logstash.conf")


def _properties(text: str) -> dict[str, str]:
    lines = [line.partition("=") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert all(separator for _, separator, _ in lines)
    return {key.strip(): value.strip() for key, _, value in lines}


def _logstash(text: str) -> dict[str, Any]:
    """Settings of a Logstash pipeline: braces and quotes must close, settings are `name => value`."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    bare = re.sub(r'"[^"\n]*"', '""', code)
    assert '"' not in bare.replace('""', "")
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    return dict(re.findall(r'(\w+) => "?([^"\s]+)"?', code))


_READERS: dict[str, Callable[[str], Any]] = {
    ".yaml": yaml.safe_load,
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".properties": _properties,
    ".conf": _logstash,
}


def _read(name: str) -> Any:
    path = COLLECTORS / name
    return _READERS[path.suffix](path.read_text())


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, str(key)))]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner, path)]
    return [(path, value)]


def test_there_is_an_example_for_each_way_in() -> None:
    assert {
        "otel-collector.yaml", "otel-http-intake.yaml", "fluent-bit.yaml", "vector.toml", "vector-http-intake.toml", "filebeat.yaml",
        "logstash.conf", "aws-s3-connect.json", "aws-cloudwatch-connect.json", "azure-event-hubs.properties", "google-pubsub-connect.json",
    } == set(EXAMPLES)  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_parses_and_writes_to_the_raw_topic_only(name: str) -> None:
    topics = [
        value
        for path, value in _leaves(_read(name))
        if re.search(r"(?:^|[.>_-])topics?(?:_id)?$", path[-1]) and "replication" not in path[-1]
    ]
    assert topics
    assert set(topics) == {"raw"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_begins_with_what_it_does_and_holds_no_secret(name: str) -> None:
    text = (COLLECTORS / name).read_text()
    assert text.startswith("#") or '"//"' in text.splitlines()[1]
    for path, value in _leaves(_read(name)):
        if re.search(r"(?i)password|api.?key$|secret|tokens|jaas", ".".join(path)) and path[-1] != "header":
            assert "${" in str(value)


@pytest.mark.parametrize("name", _HTTP_DOORS)
def test_a_door_over_http_asks_for_a_key_and_speaks_tls(name: str) -> None:
    text = (COLLECTORS / name).read_text()
    assert re.search(r"(?i)x[-_]api[-_]key", text)
    assert "${INTAKE_KEY" in text or "${env:INTAKE_KEY" in text
    assert "server.crt" in text
    assert "server.key" in text or "server.pkcs8.key" in text


def test_the_collector_of_opentelemetry_sends_protobuf_through_pipelines_that_exist() -> None:
    for name in ("otel-collector.yaml", "otel-http-intake.yaml"):
        config = _read(name)
        assert {exporter["traces"]["encoding"] for exporter in config["exporters"].values()} == {"otlp_proto"}
        for pipeline in config["service"]["pipelines"].values():
            for part in ("receivers", "processors", "exporters"):
                assert set(pipeline[part]) <= set(config[part])
        assert set(config["service"]["extensions"]) == set(config["extensions"])
