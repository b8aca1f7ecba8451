"""Topics: the declaration is read, renamed by configuration, and covers every topic of the code."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import pytest

from jobs.config import TopicsConfig, load_config
from jobs.stack.topics import BrokerError, connect_admin, declared_topics
from schemas.errors import ConfigError


def test_every_topic_of_the_configuration_is_declared_and_no_other() -> None:
    topics = declared_topics(load_config(env={}))
    assert [topic.name for topic in topics] == list(astuple(TopicsConfig()))
    assert all(topic.partitions >= 1 for topic in topics)


def test_the_clock_of_the_pipeline_is_the_brokers() -> None:
    assert all(topic.settings["message.timestamp.type"] == "LogAppendTime" for topic in declared_topics(load_config(env={})))


def test_topics_are_renamed_by_the_configuration() -> None:
    config = load_config(env={})
    renamed = replace(config, topics=replace(config.topics, dead_letters="mine"))
    assert [topic.name for topic in declared_topics(renamed)][-1] == "mine"


@pytest.mark.parametrize("line", ["raw", "raw many", "raw 1 retention"])
def test_a_line_that_is_no_topic_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "topics.txt"
    path.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(ConfigError, match="topics.txt:3: not a topic"):
        declared_topics(load_config(env={}), path)


def test_a_broker_that_does_not_answer_is_one_line_and_exit_code_3() -> None:
    config = load_config(env={"ANOMASEC_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    with (
        pytest.raises(BrokerError, match="does not answer: Connection refused; start it with `anomasec up`") as caught,
        connect_admin(config),
    ):
        pass
    assert caught.value.exit_code == 3
