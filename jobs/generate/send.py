"""Send messages to Kafka in ready-made batches: exactly once per message, also when the broker restarts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.generate.batches import encode_batch, split_by_bytes
from schemas.errors import AnomasecError

__all__ = ["SendError", "Sender"]

_BATCH_BYTES = 900_000
"""Below the broker's default of 1 MB even where nothing can be compressed."""
_GIVE_UP_S = 120.0
_ANSWER_MS = 30_000
_DUPLICATE_SEQUENCE = 46


class SendError(AnomasecError):
    """The broker cannot be reached or refuses the messages."""

    exit_code = 3


@dataclass
class _Batch:
    partition: int
    records: bytes
    future: Any = None
    node: int = -1


class Sender:
    """An idempotent producer for columns of messages.

    kafka-python's own producer takes messages one by one and manages some ten thousand a second; here a batch is made
    by a few array operations. Its connections (TLS, SASL, metadata) are kafka-python's. One request per broker is in
    flight while the next messages are made.

    Parameters
    ----------
    options : keyword arguments of any kafka-python client (`KafkaConfig.client_options()`)
    topic : must exist

    Raises
    ------
    SendError
        No broker answers, or there is no such topic.
    """

    def __init__(self, options: Mapping[str, Any], topic: str) -> None:
        import logging

        from kafka.errors import KafkaError
        from kafka.net.compat import KafkaNetClient

        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it reports each retry; we report the end
        self.topic = topic
        self.sent_messages = 0
        self._servers = options.get("bootstrap_servers")
        self._in_flight: list[_Batch] = []
        self._client = KafkaNetClient(**options)
        try:
            self._client.check_version(timeout_ms=8_000)
            self._client.cluster.add_topic(topic)
            self.partitions = self._await_partitions()
            self._producer_id, self._epoch = self._new_producer()
        except (KafkaError, OSError) as error:
            self._client.close()
            detail = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            mend = "start it with `anomasec up`, or mend [kafka]"
            raise SendError(f"Kafka at {self._servers} does not answer: {detail}", mend) from error
        self._sequences = np.zeros(self.partitions, np.int64)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, messages: pa.Array) -> None:
        """Send, spread evenly over the partitions; returns while the last requests are still on their way.

        Raises
        ------
        SendError
            Two minutes of trying were not enough, or the broker refuses for good.
        """
        shares = np.linspace(0, len(messages), self.partitions + 1).astype(int)
        runs = [split_by_bytes(messages[a:b], _BATCH_BYTES) for a, b in zip(shares, shares[1:], strict=False)]
        while any(runs):
            batches = [self._encode(partition, queue.pop(0)) for partition, queue in enumerate(runs) if queue]
            self._settle()
            self._post(batches)
        self.sent_messages += len(messages)

    def flush(self) -> None:
        """Wait until everything sent is acknowledged by all in-sync replicas."""
        self._settle()

    def close(self) -> None:
        """Flush and disconnect."""
        try:
            self._settle()
        finally:
            self._client.close()

    def _encode(self, partition: int, messages: pa.Array) -> _Batch:
        sequence = int(self._sequences[partition])
        records = encode_batch(messages, int(time.time() * 1000), self._producer_id, self._epoch, sequence)
        self._sequences[partition] = (sequence + len(messages)) % 2**31
        return _Batch(partition, records)

    def _post(self, batches: list[_Batch]) -> None:
        """Send one request to each leader."""
        from kafka.protocol.producer import ProduceRequest
        from kafka.structs import TopicPartition

        by_node: dict[int, list[_Batch]] = {}
        for batch in batches:
            leader = self._client.cluster.leader_for_partition(TopicPartition(self.topic, batch.partition))
            batch.node, batch.future = -1 if leader is None else leader, None
            by_node.setdefault(batch.node, []).append(batch)
        for node, group in by_node.items():
            if node >= 0 and self._ready(node):
                topic = ProduceRequest.TopicProduceData
                parts = [topic.PartitionProduceData(index=batch.partition, records=batch.records) for batch in group]
                request = ProduceRequest(
                    transactional_id=None,
                    acks=-1,
                    timeout_ms=_ANSWER_MS,
                    topic_data=[topic(name=self.topic, partition_data=parts)],
                    min_version=3,
                    max_version=9,
                )
                future = self._client.send(node, request)
                for batch in group:
                    batch.future = future
        self._client.poll(timeout_ms=0)  # hands the bytes to the socket
        self._in_flight = batches

    def _ready(self, node: int) -> bool:
        from kafka.errors import KafkaError

        try:
            return bool(self._client.await_ready(node, timeout_ms=2_000))
        except (KafkaError, OSError):
            return False

    def _settle(self) -> None:
        """Wait for the answers; what was not taken is sent again under the same sequence numbers."""
        give_up = time.monotonic() + _GIVE_UP_S
        while self._in_flight:
            failed, reason = self._failed()
            self._in_flight = []
            if not failed:
                return
            if time.monotonic() > give_up:
                raise SendError(f"Kafka at {self._servers} did not take messages for {_GIVE_UP_S:.0f} s: {reason}", "look at its log")
            time.sleep(0.2)
            self._client.poll(timeout_ms=1_000, future=self._client.cluster.request_update())
            self._post(failed)

    def _failed(self) -> tuple[list[_Batch], str]:
        from kafka.errors import RetriableError, for_code

        failed, reason = [], ""
        for future in {id(batch.future): batch.future for batch in self._in_flight if batch.future is not None}.values():
            if not future.is_done:
                self._client.poll(timeout_ms=_ANSWER_MS + 5_000, future=future)
        for batch in self._in_flight:
            if batch.future is None or not batch.future.succeeded():
                failed.append(batch)
                reason = str(getattr(batch.future, "exception", None) or "no leader answers")
                continue
            code = self._answer(batch)
            if code in (0, _DUPLICATE_SEQUENCE):
                continue
            error = for_code(code)
            if not issubclass(error, RetriableError):
                raise SendError(f"Kafka refuses messages for {self.topic}: {error.__name__}", "look at the broker's log")
            failed.append(batch)
            reason = error.__name__
        return failed, reason

    def _answer(self, batch: _Batch) -> int:
        """Error code of the batch's partition; 0 = taken."""
        for topic in batch.future.value.responses:
            for part in topic.partition_responses:
                if part.index == batch.partition:
                    return int(part.error_code)
        return 0

    def _await_partitions(self) -> int:
        give_up = time.monotonic() + 8
        while not (known := self._client.cluster.partitions_for_topic(self.topic)):
            if time.monotonic() > give_up:
                raise SendError(f"there is no topic '{self.topic}' on {self._servers}", "create it with `anomasec topics --create`")
            self._client.poll(timeout_ms=500, future=self._client.cluster.request_update())
        return len(known)

    def _new_producer(self) -> tuple[int, int]:
        from kafka.errors import KafkaError, for_code
        from kafka.protocol.producer.transaction import InitProducerIdRequest

        give_up = time.monotonic() + 20
        while True:
            node = self._client.least_loaded_node(bootstrap_fallback=True)
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000, min_version=0, max_version=1)
            try:
                answer = self._client.send_and_receive(node, request, timeout_ms=8_000)
                if answer.error_code == 0:
                    return int(answer.producer_id), int(answer.producer_epoch)
                raise for_code(answer.error_code)
            except KafkaError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)
