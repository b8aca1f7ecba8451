"""Wiring: how the stages hang together in a Flink job. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
from pyflink.common import Configuration, Types
from pyflink.common.serialization import ByteArraySchema
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaRecordSerializationSchema, KafkaSink
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment
from pyflink.util.java_utils import to_jarray

from jobs.config import ClickHouseConfig, Config
from jobs.knobs import Knobs
from jobs.operators.normalise import Brake, SplitFrames, normalise_udf
from jobs.operators.partitions import MAX_PARALLELISM, partition_labels
from jobs.operators.scores import LabelScores
from jobs.operators.stage import Stage
from jobs.operators.ticked import FRAME_TYPE, TickedOperator
from jobs.sizing import MAX_BATCH_ROWS
from jobs.stages import AssembleStage, CorrelateStage, MeasureStage, TraceStage, Writer, normalise_settings
from schemas.framing import from_payload

__all__ = ["JobGraph"]

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())


@dataclass
class JobGraph:
    """Builds the stages onto one stream environment."""

    config: Config
    knobs: Knobs
    settings: dict[str, str] = field(default_factory=dict)
    """Flink settings beyond the defaults, e.g. the savepoint to start from."""
    startup_mode: str = "group-offsets"
    batch_rows: int = MAX_BATCH_ROWS
    """Kafka records per Arrow batch."""

    def __post_init__(self) -> None:
        configuration = Configuration()
        for key, value in {**self._defaults(), **self.settings}.items():
            configuration.set_string(key, value)
        self.env = _environment(configuration)
        self.env.set_max_parallelism(MAX_PARALLELISM)
        self.t_env = StreamTableEnvironment.create(self.env)
        self._labels = partition_labels()

    def _defaults(self) -> dict[str, str]:
        return {
            "python.fn-execution.bundle.time": "300",
            "python.fn-execution.bundle.size": str(self.batch_rows),
            "python.fn-execution.arrow.batch.size": str(self.batch_rows),
            "parallelism.default": str(self.config.flink.parallelism),
            "execution.checkpointing.interval": str(self.config.flink.checkpoint_interval),
            "execution.checkpointing.timeout": "5 min",
            "execution.checkpointing.max-concurrent-checkpoints": "1",
            "table.local-time-zone": "UTC",
            # stable names of SQL operators: an edited query still finds its offsets in the savepoint
            "table.exec.uid.generation": "ALWAYS",
        }

    def ingest(self) -> DataStream:
        """Raw topic -> normalise -> assemble -> measure -> points topic."""
        knobs = self.knobs
        cells = self._normalised()
        traces = self._ticked(self._split(cells, "split-traces", traces=True), "traces", lambda write: TraceStage(knobs, write))
        frames = self._split(cells, "split", traces=False)
        moved = traces.filter(lambda row: row[0] == "moved")
        assembled = self._ticked(frames.union(moved), "assemble", lambda write: AssembleStage(knobs, write))
        self._to_kafka(assembled, "dead_letters", self.config.topics.dead_letters)
        parts = assembled.union(traces).filter(lambda row: row[0] in ("partials", "metric_points"))
        points = self._ticked(parts, "measure", lambda write: MeasureStage(knobs, write))
        self._to_kafka(points, "points", self.config.topics.points)
        return points

    def score(self) -> DataStream:
        """Points topic -> score (SQL) -> correlate -> anomalies and incidents topics."""
        from jobs.score.sql import score_payloads

        knobs = self.knobs
        payloads = self.t_env.to_data_stream(score_payloads(self.t_env, self.config, startup_mode=self.startup_mode))
        frames = payloads.flat_map(LabelScores(self._labels[0], self.knobs.pipeline_tick), FRAME_TYPE).uid("label").name("label")
        found = self._ticked(frames, "correlate", lambda write: CorrelateStage(knobs, write))
        self._to_kafka(found, "anomalies", self.config.topics.anomalies)
        self._to_kafka(found, "incidents", self.config.topics.incidents)
        return found

    def _normalised(self) -> DataStream:
        topic = self.config.topics.raw
        template = (Path(self.config.sql_dir) / "flink" / "raw.sql").read_text()
        rendered = jinja2.Template(template, undefined=jinja2.StrictUndefined).render(
            topic=topic,
            group="anomasec-ingest",
            startup_mode=self.startup_mode,
            properties=self.config.kafka.flink_properties(),
        )
        for statement in rendered.split(";\n"):
            if statement.strip():
                self.t_env.execute_sql(statement)
        brake = Brake(self.knobs.normalise_max_invalid_ratio, self.knobs.normalise_min_lines)
        self.t_env.create_temporary_function(
            "normalise", normalise_udf(normalise_settings(self.knobs, self.config.sql_dir), topic, self.knobs.pipeline_tick, brake)
        )
        cells = "SELECT normalise(`value`, `partition`, `offset`, `arrival`) AS payload FROM raw_records"
        payloads = self.t_env.sql_query(f"SELECT payload FROM ({cells}) WHERE payload IS NOT NULL")
        heartbeat = self.t_env.sql_query("SELECT CAST(NULL AS BYTES) AS payload FROM heartbeat WHERE id < 0")
        return self.t_env.to_data_stream(payloads).union(self.t_env.to_data_stream(heartbeat))

    def _split(self, cells: DataStream, name: str, traces: bool) -> DataStream:
        return cells.flat_map(SplitFrames(self._labels, traces), FRAME_TYPE).uid(name).name(name)

    def _ticked(self, frames: DataStream, name: str, stage: Callable[[Writer], Stage[Any]]) -> DataStream:
        clickhouse = self.config.clickhouse

        def make() -> Stage[Any]:
            pa.set_cpu_count(1)
            return stage(_writer(clickhouse))

        return (
            frames.key_by(lambda row: row[1], Types.INT())
            .process(TickedOperator(make, self.knobs.pipeline_tick, self._labels), FRAME_TYPE)
            .uid(name)
            .name(name)
        )

    def _to_kafka(self, frames: DataStream, target: str, topic: str) -> None:
        encode = _encoder(target)
        sink = (
            KafkaSink.builder()
            .set_bootstrap_servers(self.config.kafka.bootstrap_servers)
            .set_record_serializer(
                KafkaRecordSerializationSchema.builder().set_topic(topic).set_value_serialization_schema(ByteArraySchema()).build()
            )
        )
        for key, value in self.config.kafka.flink_properties().items():
            sink = sink.set_property(key, value)
        (
            frames.flat_map(lambda row: encode(row) if row[0] == target else (), _BYTES)
            .name(f"{target} to JSON")
            .sink_to(sink.build())
            .uid(f"{target}-topic")
            .name(f"topic {topic}")
        )


def _environment(configuration: Configuration) -> StreamExecutionEnvironment:
    """The environment of `flink run` or this process; a remote cluster's where the settings name one.

    A client in plain Python knows only the local environment: it would start a mini cluster of its own.
    """
    if configuration.get_string("execution.target", "") != "remote":
        return StreamExecutionEnvironment.get_execution_environment(configuration)
    gateway = get_gateway()
    remote = gateway.jvm.org.apache.flink.streaming.api.environment.RemoteStreamEnvironment(
        configuration.get_string("rest.address", ""),
        configuration.get_integer("rest.port", 8081),
        configuration._j_configuration,
        to_jarray(gateway.jvm.String, []),
        to_jarray(gateway.jvm.java.net.URL, []),
    )
    return StreamExecutionEnvironment(remote)


def _writer(clickhouse: ClickHouseConfig) -> Writer:
    from jobs.sinks.concurrent import ConcurrentSink

    return ConcurrentSink(clickhouse).insert


def _encoder(target: str) -> Callable[[Any], Any]:
    def encode(row: Any) -> Any:
        from jobs.wire import messages

        return messages(target, from_payload(row[3]))

    return encode
