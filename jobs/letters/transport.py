"""Where retried letters go: to the raw topic of a running stack, or at once into a store without one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from jobs.config import Config
from jobs.letters.letters import Letter
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.errors import AnomasecError
from schemas.event import EVENT, RAW
from udfs.normalise import NormaliseSettings, normalise
from udfs.normalise.identity import transaction_identity

__all__ = ["KafkaTransport", "StoreTransport", "Transport", "raw_of"]

HEADER = "anomasec-dead-letter"
"""Kafka header of a retried record: the name of its letter. Nothing reads it but a retry that was cut short."""
_READ_MS = 1_000
_MOST_BYTES = 64 << 20
"""Of one record: what the broker takes is for the broker to say."""


class BrokerError(AnomasecError):
    """Kafka cannot be reached or refuses the records."""

    exit_code = 3


class Transport(Protocol):
    """Takes letters on; can say which of them it has taken."""

    target: str
    """Topic, or 'store'."""

    def position(self) -> str:
        """Where the target ends now, for `arrived`."""
        ...

    def arrived(self, position: str) -> set[str]:
        """Names of the letters that were taken since a position."""
        ...

    def send(self, letters: Sequence[Letter], lines: Sequence[bytes]) -> None:
        """Send; returns when all are taken for good."""
        ...


class KafkaTransport:
    """The raw topic. The producer is idempotent: the broker drops what a lost answer makes it send again."""

    def __init__(self, config: Config) -> None:
        self._options = config.kafka.client_options()
        self._servers = config.kafka.bootstrap_servers
        self.target = config.topics.raw

    def position(self) -> str:
        """End offset of each partition, as JSON."""
        consumer, partitions = self._consumer()
        try:
            return json.dumps({str(part.partition): offset for part, offset in consumer.end_offsets(partitions).items()})
        finally:
            consumer.close()

    def arrived(self, position: str) -> set[str]:
        """Names in the headers of the records from the position to the end."""
        since = json.loads(position or "{}")
        consumer, partitions = self._consumer()
        found: set[str] = set()
        try:
            ends = consumer.end_offsets(partitions)
            consumer.assign(partitions)
            for part in partitions:
                consumer.seek(part, min(int(since.get(str(part.partition), 0)), ends[part]))
            while any(consumer.position(part) < ends[part] for part in partitions):
                for records in consumer.poll(timeout_ms=_READ_MS).values():
                    for record in records:
                        found.update(value.decode() for key, value in record.headers or () if key == HEADER)
        finally:
            consumer.close()
        return found

    def send(self, letters: Sequence[Letter], lines: Sequence[bytes]) -> None:
        """Send, and wait for every acknowledgement."""
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        try:
            producer = KafkaProducer(**self._options, acks="all", enable_idempotence=True, max_request_size=_MOST_BYTES)
            try:
                sent = [
                    producer.send(self.target, value=line, headers=[(HEADER, letter.name.encode())])
                    for letter, line in zip(letters, lines, strict=True)
                ]
                producer.flush()
                for future in sent:
                    future.get(timeout=60)
            finally:
                producer.close()
        except KafkaError as error:
            raise self._told(error) from error

    def _consumer(self) -> tuple[Any, list[Any]]:
        from kafka import KafkaConsumer, TopicPartition
        from kafka.errors import KafkaError

        try:
            consumer = KafkaConsumer(**self._options, enable_auto_commit=False)
            numbers = consumer.partitions_for_topic(self.target)
        except (KafkaError, OSError) as error:
            raise self._told(error) from error
        if not numbers:
            consumer.close()
            raise BrokerError(f"there is no topic '{self.target}' on {self._servers}", "create it with `anomasec topics --create`")
        return consumer, [TopicPartition(self.target, number) for number in sorted(numbers)]

    def _told(self, error: Exception) -> BrokerError:
        detail = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        return BrokerError(f"Kafka at {self._servers}: {detail}", "start it with `anomasec up`, or mend [kafka]; then retry again")


class StoreTransport:
    """A store without a broker: letters become events in the place of the dead letter, so a second time changes nothing."""

    target = "store"

    def __init__(self, sink: ClickHouseSink, settings: NormaliseSettings) -> None:
        self._sink, self._settings = sink, settings

    def position(self) -> str:
        """Nothing: events are written by their identity."""
        return ""

    def arrived(self, position: str) -> set[str]:
        """None: what was cut short is simply written again."""
        return set()

    def send(self, letters: Sequence[Letter], lines: Sequence[bytes]) -> None:
        """Write the events. Transactions and points stay as they are."""
        out = normalise(raw_of(letters, lines), self._settings)
        if out.events.num_rows:
            self._sink.insert(EVENT, _in_place(out.events, letters))


def raw_of(letters: Sequence[Letter], lines: Sequence[bytes]) -> pa.Table:
    """Lines as records; `offset` is the place of the letter in the list, as letters of one record share theirs."""
    n = len(letters)
    return pa.table(
        [
            pa.array(lines, pa.binary()),
            pa.array([letter.topic for letter in letters], pa.string()),
            pa.array(np.zeros(n, np.int32)),
            pa.array(np.arange(n)),
            pa.array([int(letter.arrived_at.timestamp() * 1000) for letter in letters], pa.int64()),
        ],
        schema=RAW.arrow,
    )


def _in_place(events: pa.Table, letters: Sequence[Letter]) -> pa.Table:
    """Events at the place of their letters: partition, offset and line, and the identity that rests on them."""
    place = events.column("offset").to_numpy()
    keys = {
        "partition": np.array([letter.partition for letter in letters], np.int32)[place],
        "offset": np.array([letter.offset for letter in letters], np.int64)[place],
        "line_index": (np.array([letter.line_index for letter in letters])[place] + events.column("line_index").to_numpy()).astype(
            np.int32
        ),
    }
    for name, values in keys.items():
        events = events.set_column(events.schema.get_field_index(name), events.schema.field(name), pa.array(values))
    identity = dict(zip(("transaction_id", "transaction_hash"), transaction_identity(events.combine_chunks()), strict=True))
    for name, column in identity.items():
        events = events.set_column(events.schema.get_field_index(name), events.schema.field(name), column)
    return events
