"""The two Flink rivals, as their users would write them: `python -m tests.bench.rivals.flink_jobs sql|rows ...`, on a local cluster.

Both close a transaction when nothing came for it for so many seconds of the broker's clock.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from jobs.stack.machine import find_jars

__all__ = ["main"]

_SQL = """
CREATE TABLE spans (
    `resourceSpans` ARRAY<ROW<`scopeSpans` ARRAY<ROW<`spans` ARRAY<ROW<`traceId` STRING, `spanId` STRING>>>>>>,
    trace_id AS `resourceSpans`[1].`scopeSpans`[1].`spans`[1].`traceId`,
    span_id AS `resourceSpans`[1].`scopeSpans`[1].`spans`[1].`spanId`,
    arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR arrived_at AS arrived_at - INTERVAL '0.001' SECOND
) WITH (
    'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{servers}', 'properties.group.id' = '{group}',
    'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json'
);
CREATE TABLE transactions (trace_id STRING, events BIGINT) WITH (
    'connector' = 'kafka', 'topic' = '{out}', 'properties.bootstrap.servers' = '{servers}', 'format' = 'json'
);
INSERT INTO transactions
SELECT trace_id, COUNT(DISTINCT span_id)
FROM TABLE(SESSION(TABLE spans PARTITION BY trace_id, DESCRIPTOR(arrived_at), INTERVAL '{wait}' SECOND))
GROUP BY trace_id, window_start, window_end;
"""


def main() -> None:
    """Run one to the end of the topic."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rival", choices=("sql", "rows"))
    for name in ("topic", "servers", "group", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--wait", type=int, required=True, help="seconds")
    parser.add_argument("--parallelism", type=int, required=True)
    parser.add_argument("--limit", type=int, default=0, help="rows: messages to read of each partition")
    parser.add_argument("--partitions", type=int, default=4)
    arguments = parser.parse_args()
    (_sql if arguments.rival == "sql" else _rows)(arguments)


def _environment(arguments: argparse.Namespace) -> object:
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment

    settings = {
        "parallelism.default": str(arguments.parallelism),
        "execution.checkpointing.interval": "2 s",  # commits what was read, which is how progress is seen
        "state.backend.type": "hashmap",
        "python.executable": sys.executable,
        "rest.bind-port": "0",
    }
    configuration = Configuration()
    for key, value in settings.items():
        configuration.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.add_jars(*(path.as_uri() for path in find_jars("flink")))
    return environment


def _sql(arguments: argparse.Namespace) -> None:
    from pyflink.table import StreamTableEnvironment

    tables = StreamTableEnvironment.create(_environment(arguments))
    *statements, insert = filter(str.strip, _SQL.format(**vars(arguments)).split(";"))
    for statement in statements:
        tables.execute_sql(statement)
    tables.execute_sql(insert).wait()


def _rows(arguments: argparse.Namespace) -> None:
    from pyflink.common import SimpleStringSchema, Types, WatermarkStrategy
    from pyflink.datastream import KeyedProcessFunction, RuntimeContext
    from pyflink.datastream.connectors.kafka import (
        KafkaOffsetsInitializer,
        KafkaRecordSerializationSchema,
        KafkaSink,
        KafkaSource,
        KafkaTopicPartition,
    )
    from pyflink.datastream.state import ValueStateDescriptor

    wait_ms = arguments.wait * 1000
    environment = _environment(arguments)  # first: it brings the connector's classes

    def ids(line: str) -> tuple[str, str]:
        span = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        return span["traceId"], span["spanId"]

    class Assemble(KeyedProcessFunction):
        def open(self, runtime_context: RuntimeContext) -> None:
            self.spans = runtime_context.get_state(ValueStateDescriptor("spans", Types.PICKLED_BYTE_ARRAY()))
            self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.LONG()))

        def process_element(self, value: tuple[str, str], ctx: KeyedProcessFunction.Context) -> None:
            self.spans.update((self.spans.value() or set()) | {value[1]})
            self.last.update(ctx.timestamp())
            ctx.timer_service().register_event_time_timer(ctx.timestamp() + wait_ms)

        def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[str]:
            if self.last.value() is not None and self.last.value() + wait_ms <= timestamp:
                yield json.dumps({"trace_id": ctx.get_current_key(), "events": len(self.spans.value())})
                self.spans.clear()
                self.last.clear()

    stops = {KafkaTopicPartition(arguments.topic, number): arguments.limit for number in range(arguments.partitions)}
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(arguments.servers)
        .set_topics(arguments.topic)
        .set_group_id(arguments.group)
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_bounded(KafkaOffsetsInitializer.offsets(stops))
        .set_value_only_deserializer(SimpleStringSchema())
        .build()
    )
    schema = KafkaRecordSerializationSchema.builder().set_topic(arguments.out).set_value_serialization_schema(SimpleStringSchema()).build()
    sink = KafkaSink.builder().set_bootstrap_servers(arguments.servers).set_record_serializer(schema).build()
    environment.from_source(source, WatermarkStrategy.for_monotonous_timestamps(), "spans").map(  # type: ignore[attr-defined]
        ids, output_type=Types.TUPLE([Types.STRING(), Types.STRING()])
    ).key_by(lambda value: value[0], key_type=Types.STRING()).process(Assemble(), output_type=Types.STRING()).sink_to(sink)
    environment.execute("rows")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
