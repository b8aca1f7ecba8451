"""How many Kafka records go into one Arrow batch: many small ones, few large ones."""

from __future__ import annotations

from jobs.config import Config

__all__ = ["MAX_BATCH_ROWS", "batch_rows", "sample_record_bytes"]

MAX_BATCH_ROWS = 8_000
"""Where the cost per line is lowest with one line per record; larger batches leave the processor's caches."""
MIN_BATCH_ROWS = 20
TARGET_BYTES = 8 << 20
"""Of one batch. Flink counts rows only, and a batch that outgrows its direct memory ends the TaskManager."""
_SAMPLE = 200


def batch_rows(mean_bytes: float | None) -> int:
    """Rows of one batch for records of that mean size; None = unknown, taken as one line each."""
    if not mean_bytes:
        return MAX_BATCH_ROWS
    return int(min(max(TARGET_BYTES / mean_bytes, MIN_BATCH_ROWS), MAX_BATCH_ROWS))


def sample_record_bytes(config: Config) -> float | None:
    """Mean size of the newest records of the raw topic, None when it is empty."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**config.kafka.client_options(), consumer_timeout_ms=3000, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(config.topics.raw, p) for p in consumer.partitions_for_topic(config.topics.raw) or ()]
        ends = consumer.end_offsets(partitions)
        begins = consumer.beginning_offsets(partitions)
        filled = [p for p in partitions if ends[p] > begins[p]]
        if not filled:
            return None
        consumer.assign(filled)
        wanted = 0
        for partition in filled:
            start = max(ends[partition] - _SAMPLE // len(filled), begins[partition])
            consumer.seek(partition, start)
            wanted += ends[partition] - start
        sizes = []
        for record in consumer:
            sizes.append(len(record.value or b""))
            if len(sizes) >= wanted:
                break
        return sum(sizes) / len(sizes) if sizes else None
    finally:
        consumer.close()
