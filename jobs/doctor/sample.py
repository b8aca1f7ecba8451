"""A sample of lines: of files, standard input, or a topic."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

from jobs.config import Config
from jobs.replay.files import find_sources
from schemas.errors import AnomasecError

__all__ = ["read_sample"]

_READ_MS = 2_000


class BrokerError(AnomasecError):
    """Kafka cannot be reached."""

    exit_code = 3


def read_sample(source: str, limit: int, config: Config) -> list[bytes]:
    """At most `limit` records of a file, a folder, `-` or `topic:NAME` (its newest).

    Raises
    ------
    AnomasecError
        The source is not there, or cannot be read.
    """
    if source == "-":
        return [line.rstrip(b"\n") for line in islice(sys.stdin.buffer, limit)]
    if source.startswith("topic:"):
        return _of_topic(source.removeprefix("topic:"), limit, config)
    sources = find_sources([Path(source)])
    share = max(limit // len(sources), 1)
    return [line.value for each in sources for line in islice(each.lines(), share)]


def _of_topic(topic: str, limit: int, config: Config) -> list[bytes]:
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    servers = config.kafka.bootstrap_servers
    try:
        consumer = KafkaConsumer(**config.kafka.client_options(), enable_auto_commit=False)
    except (KafkaError, OSError) as error:
        raise BrokerError(f"Kafka at {servers} does not answer: {error}", "start it with `anomasec up`, or mend [kafka]") from error
    try:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise BrokerError(f"there is no topic '{topic}' on {servers}", "`anomasec topics` lists them")
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        consumer.assign(partitions)
        share = max(limit // len(partitions), 1)
        for partition in partitions:
            consumer.seek(partition, max(starts[partition], ends[partition] - share))
        found: list[bytes] = []
        while any(consumer.position(part) < ends[part] for part in partitions) and len(found) < limit:
            polled = consumer.poll(timeout_ms=_READ_MS)
            if not polled:
                break
            found += [record.value for records in polled.values() for record in records if record.value is not None]
        return found[:limit]
    finally:
        consumer.close()
