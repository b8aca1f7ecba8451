"""The local Kafka: one KRaft node from its jars, sized for a laptop."""

from __future__ import annotations

import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode

from jobs.config import Config
from jobs.stack.machine import find_jars, find_java
from jobs.stack.process import ProcessSpec
from schemas.errors import MissingPart

__all__ = ["broker_answers", "broker_spec", "prepare_broker"]

SETTINGS = """\
process.roles=broker,controller
node.id=1
# A static quorum of one: unlike a dynamic one it does not store the controller's port, so ports can change between starts.
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{kafka_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

# The broker's append time is the clock of the pipeline.
log.message.timestamp.type=LogAppendTime
# A misspelt topic is an error, not a new topic.
auto.create.topics.enable=false
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
log.retention.hours=72
log.segment.bytes=268435456

# One node: nothing to replicate, nobody to wait for.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
# 128 MB by default, for compacted topics we have only small ones of.
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
"""

LOGGING = """\
log4j.rootLogger=INFO, file
log4j.appender.file=org.apache.log4j.RollingFileAppender
log4j.appender.file.File={log}
log4j.appender.file.MaxFileSize=50MB
log4j.appender.file.MaxBackupIndex=2
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%d{{ISO8601}} %-5p %m (%c)%n
"""


def broker_spec(config: Config) -> ProcessSpec:
    """Say how the broker is started."""
    java, folder, stack = find_java(), config.home / "kafka", config.stack
    heap = stack.kafka_heap_mb
    return ProcessSpec(
        name="kafka",
        command=(
            java,
            f"-Xms{min(heap, 256)}m",
            f"-Xmx{heap}m",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=50",
            "-Djava.awt.headless=true",
            f"-Dlog4j.configuration=file:{folder / 'log4j.properties'}",
            "-cp",
            _classpath(),
            "kafka.Kafka",
            str(folder / "server.properties"),
        ),
        address=f"127.0.0.1:{stack.kafka_port}",
        ports={"kafka_port": stack.kafka_port, "controller_port": stack.controller_port},
        stop_wait_s=20,
    )


def prepare_broker(config: Config) -> None:
    """Write its settings and, the first time, format its folder.

    Raises
    ------
    MissingPart
        Formatting failed.
    """
    folder = config.home / "kafka"
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    ports = {"kafka_port": config.stack.kafka_port, "controller_port": config.stack.controller_port}
    settings = folder / "server.properties"
    settings.write_text(SETTINGS.format(data=data, **ports))
    (folder / "log4j.properties").write_text(LOGGING.format(log=config.home / "log" / "kafka.log"))
    if (data / "meta.properties").exists():
        return
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # Java's option parser takes a leading dash for an option.
    command = [find_java(), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", _classpath(), "kafka.tools.StorageTool"]
    command += ["format", "--cluster-id=" + cluster_id, "--config=" + str(settings)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if told.returncode:
        lines = (told.stderr.strip() or told.stdout.strip()).splitlines() or ["it wrote nothing"]
        raise MissingPart(f"Kafka could not format {data}: {lines[-1]}", f"delete {folder} if its messages are not needed")


def broker_answers(config: Config) -> bool:
    """Whether the local broker serves metadata."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        # First the port alone: the client would try, and log, until its time is up.
        socket.create_connection(("127.0.0.1", config.stack.kafka_port), timeout=1).close()
        admin = KafkaAdminClient(**config.kafka.client_options(), bootstrap_timeout_ms=1500, request_timeout_ms=3000)
    except (KafkaError, OSError):
        return False
    try:
        return bool(admin.describe_cluster())
    except (KafkaError, OSError):
        return False
    finally:
        admin.close()


def _classpath() -> str:
    return ":".join(str(jar) for jar in find_jars("kafka"))
