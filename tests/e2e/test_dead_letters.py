"""Retried letters on a real broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.doctor import read_sample
from jobs.letters import KafkaTransport, Letter
from jobs.stack.stack import Stack
from jobs.stack.topics import create_topics

pytestmark = pytest.mark.e2e


def test_what_was_sent_is_found_again_behind_its_position(stack: Stack) -> None:
    config = stack.config()
    config = replace(config, topics=replace(config.topics, raw="retried"))
    create_topics(config)
    transport = KafkaTransport(config)
    before = transport.position()
    letters = [Letter("raw", 0, number, 0, datetime.now(UTC), "reason", "", b"line %d" % number) for number in range(5)]
    transport.send(letters, [letter.original for letter in letters])
    assert transport.arrived(before) == {letter.name for letter in letters}
    assert transport.arrived(transport.position()) == set()
    assert sorted(read_sample("topic:retried", 100, config)) == [letter.original for letter in letters]
