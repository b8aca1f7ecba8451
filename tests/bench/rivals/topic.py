"""The topic that all read: OTLP/JSON spans, one per message, at the pace at which they would arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from jobs.config import Config
from jobs.generate.output import paced
from jobs.generate.send import Sender
from jobs.generate.traffic import FORMATS
from jobs.generate.truth import Truth
from jobs.generate.world import World, WorldSettings
from jobs.stack.topics import connect_admin

__all__ = ["committed", "ends", "expected_events", "fill", "make_topic", "read", "written_by_collector", "written_by_flink"]

_IDS = re.compile(rb'"traceId":"([0-9a-f]{32})","spanId":"([0-9a-f]{16})"')
_OTLP = FORMATS.index("otlp")


def fill(config: Config, lines: int, lines_per_s: float, start_ms: int) -> Truth:
    """Send about so many lines; the truth about those that are spans.

    In real time, so that what is late is late by the broker's clock, too: a topic that is filled at once forgives short waits.
    """
    settings = WorldSettings(start_ms=start_ms, lines_per_s=lines_per_s, mix=1.0, malformed=0.0)
    world = World(11, settings, keep_transactions=True)
    with Sender(config.kafka.client_options(), config.topics.raw) as output:
        for chunk in paced(world.chunks(lines, max(200, int(lines_per_s / 10))), lines_per_s, start_ms / 1000):
            output.send(chunk.lines.filter(pa.array(chunk.formats == _OTLP)))
        output.flush()
    spans = pa.concat_tables(world.truth.parts)
    spans = spans.filter(pa.array(spans["format"].to_numpy(zero_copy_only=False) == "otlp"))
    truth = Truth(11, start_ms)
    truth.lines_sent = world.truth.format_lines["otlp"]
    truth.duplicate_lines = world.truth.duplicate_lines  # lines without ids have no repeats
    truth.histogram = np.bincount(spans["event_count"].to_numpy())
    return truth


def make_topic(config: Config, name: str) -> None:
    """Make a topic for what a rival writes."""
    with connect_admin(config) as admin:
        admin.create_topics({name: {"num_partitions": 4, "replication_factor": -1, "configs": {}}}, wait_for_metadata=True)


def expected_events(config: Config, limit: int | None = None) -> dict[str, int]:
    """Trace ID -> spans, repeats not counted, of the raw topic; `limit` = only so many messages of each partition."""
    spans: dict[str, set[bytes]] = {}
    for value in read(config, config.topics.raw, limit):
        for trace, span in _IDS.findall(value):
            spans.setdefault(trace.decode(), set()).add(span)
    return {trace: len(found) for trace, found in spans.items()}


def written_by_flink(config: Config, topic: str) -> Iterator[tuple[str, int]]:
    """Yield (trace ID, events) of `{"trace_id": .., "events": ..}`."""
    for value in read(config, topic):
        row = orjson.loads(value)
        yield row["trace_id"], row["events"]


def written_by_collector(config: Config, topic: str) -> Iterator[tuple[str, int]]:
    """Yield (trace ID, spans) of OTLP/JSON messages with one trace each; repeats of a span count, as they are stored twice."""
    for value in read(config, topic):
        traces: dict[str, int] = {}
        for resource in orjson.loads(value)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    traces[span["traceId"]] = traces.get(span["traceId"], 0) + 1
        yield from traces.items()


def read(config: Config, topic: str, limit: int | None = None) -> Iterator[bytes]:
    """Yield the values of a topic up to its present end, or up to `limit` messages of each partition."""
    consumer = _consumer(config)
    try:
        parts = _partitions(consumer, topic)
        stops = {part: end if limit is None else min(end, limit) for part, end in consumer.end_offsets(parts).items()}
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        while any(consumer.position(part) < stop for part, stop in stops.items()):
            for part, records in consumer.poll(timeout_ms=1000, max_records=20_000).items():
                yield from (record.value for record in records if record.offset < stops[part])
    finally:
        consumer.close()


def ends(config: Config, topic: str) -> int:
    """Messages in a topic."""
    consumer = _consumer(config)
    try:
        return int(sum(consumer.end_offsets(_partitions(consumer, topic)).values()))
    finally:
        consumer.close()


def committed(consumer: Any, topic: str) -> int:
    """Messages that the consumer's group says it has read."""
    return sum(consumer.committed(part) or 0 for part in _partitions(consumer, topic))


def _consumer(config: Config) -> Any:
    from kafka import KafkaConsumer

    return KafkaConsumer(**config.kafka.client_options(), enable_auto_commit=False, max_partition_fetch_bytes=4 << 20)


def _partitions(consumer: Any, topic: str) -> list[Any]:
    from kafka import TopicPartition

    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
