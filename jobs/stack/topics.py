"""The topics: declared in `docker/kafka/topics.txt`, created where they are missing."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.config import Config, data_folder
from schemas.errors import AnomasecError, ConfigError

__all__ = ["BrokerError", "TopicSpec", "TopicState", "connect_admin", "create_topics", "declared_topics", "topic_states"]


class BrokerError(AnomasecError):
    """Kafka cannot be reached or refuses."""

    exit_code = 3


@dataclass(frozen=True)
class TopicSpec:
    """A declared topic."""

    name: str
    partitions: int
    settings: dict[str, str]


@dataclass(frozen=True)
class TopicState:
    """A declared topic, as the broker has it."""

    name: str
    partitions: int
    """0: it is missing."""
    timestamp_type: str
    """`LogAppendTime` is what the pipeline needs; empty where unknown."""


def declared_topics(config: Config, path: Path | None = None) -> list[TopicSpec]:
    """Read the declared topics, under the names that the configuration gives them."""
    path = path or data_folder("docker") / "kafka" / "topics.txt"
    topics = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or not words[1].isdigit() or any("=" not in word for word in words[2:]):
            raise ConfigError(f"{path}:{number}: not a topic: {line.strip()}", "write: name partitions key=value ...")
        name = getattr(config.topics, words[0].replace("-", "_"), words[0])
        topics.append(TopicSpec(name, int(words[1]), dict(word.split("=", 1) for word in words[2:])))
    return topics


@contextlib.contextmanager
def connect_admin(config: Config, timeout_s: float = 5.0) -> Iterator[Any]:
    """Connect an admin client.

    Raises
    ------
    BrokerError
        The broker does not answer, or refuses the credentials or the request.
    """
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    servers = config.kafka.bootstrap_servers
    mend = "start it with `anomasec up`, or set [kafka] bootstrap_servers, security_protocol and credentials"
    _probe(servers, mend)
    try:
        options = config.kafka.client_options() | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        admin = KafkaAdminClient(**options)
    except (KafkaError, OSError, ValueError) as error:
        raise BrokerError(f"Kafka at {servers} does not answer: {_first_line(error)}", mend) from error
    try:
        yield admin
    except (KafkaError, OSError) as error:
        raise BrokerError(f"Kafka at {servers} refused: {_first_line(error)}", mend) from error
    finally:
        admin.close()


def _probe(servers: str, mend: str) -> None:
    """Tell a refused connection or an unknown host by that name; the client would only say, later, that its time was up."""
    reasons = []
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError as error:
            reasons.append(error.strerror or str(error))
        else:
            return
    raise BrokerError(f"Kafka at {servers} does not answer: {reasons[0]}", mend)


def topic_states(config: Config) -> list[TopicState]:
    """Ask the broker for each declared topic."""
    with connect_admin(config) as admin:
        return _states(admin, declared_topics(config))


def create_topics(config: Config) -> list[str]:
    """Create the declared topics that are missing; return their names."""
    from kafka.errors import TopicAlreadyExistsError

    topics = declared_topics(config)
    with connect_admin(config) as admin:
        existing = set(admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        for topic in missing:
            new = {"num_partitions": topic.partitions, "replication_factor": -1, "configs": topic.settings}
            with contextlib.suppress(TopicAlreadyExistsError):
                admin.create_topics({topic.name: new}, wait_for_metadata=True)
    return [topic.name for topic in missing]


def _states(admin: Any, topics: list[TopicSpec]) -> list[TopicState]:
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.errors import AuthorizationError

    existing = set(admin.list_topics())
    present = [topic.name for topic in topics if topic.name in existing]
    if not present:
        return [TopicState(topic.name, 0, "") for topic in topics]
    partitions = {found["name"]: len(found["partitions"]) for found in admin.describe_topics(present)}
    # Not only what differs from the defaults: a broker may have LogAppendTime as its own default.
    try:
        described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in present], config_filter="all")
    except AuthorizationError:
        described = {}  # a user who may read and write, but not look at settings
    types = {name: found.get("message.timestamp.type", {}).get("value", "") for name, found in described.get("topic", {}).items()}
    return [TopicState(topic.name, partitions.get(topic.name, 0), types.get(topic.name, "")) for topic in topics]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
