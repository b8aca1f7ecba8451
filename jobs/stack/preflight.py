"""Checks before a job starts: broker, topics, store, tables and cluster, each failure one line that says how to mend it."""

from __future__ import annotations

import time

import requests

from jobs.config import Config
from jobs.stack.topics import topic_states
from schemas.errors import AnomasecError, MissingPart, StoreError

__all__ = ["check_connections", "check_flink", "check_kafka", "check_store"]

VIEWS = ("events", "transactions", "points", "scores", "anomalies", "incidents", "dead_letters")


class ClusterError(AnomasecError):
    """The Flink cluster cannot be reached or has no room."""

    exit_code = 3


def check_connections(config: Config, slots: int = 1, wait_s: float = 0) -> None:
    """Check everything a job needs; `slots` is its parallelism, `wait_s` how long a cluster may take to find its TaskManagers.

    Raises
    ------
    AnomasecError
        The first thing that is wrong.
    """
    check_kafka(config)
    check_store(config)
    check_flink(config, slots, wait_s)


def check_kafka(config: Config) -> None:
    """Check that the broker answers and has the topics, stamped with the broker's time.

    Raises
    ------
    BrokerError
        No answer, or credentials refused.
    MissingPart
        A topic is missing or has the producer's time.
    """
    states = topic_states(config)
    missing = [state.name for state in states if not state.partitions]
    if missing:
        noun = "topic" if len(missing) == 1 else "topics"
        raise MissingPart(f"Kafka at {config.kafka.bootstrap_servers} has no {noun} {', '.join(missing)}", "run `anomasec topics --create`")
    for state in states:
        # The clock of every stage: with the producers' own times a replay would not give the same rows.
        if state.name in (config.topics.raw, config.topics.points) and state.timestamp_type not in ("", "LogAppendTime"):
            raise MissingPart(
                f"topic {state.name} has message.timestamp.type={state.timestamp_type}",
                f"set it: kafka-configs.sh --alter --topic {state.name} --add-config message.timestamp.type=LogAppendTime",
            )


def check_store(config: Config) -> None:
    """Check that ClickHouse answers and has the views.

    Raises
    ------
    StoreError
        No answer, or credentials refused.
    MissingPart
        The tables are not there.
    """
    client = config.clickhouse.client(database="system", connect_timeout=8)
    try:
        query = "SELECT name FROM system.tables WHERE database = {database:String}"
        found = client.query(query, parameters={"database": config.clickhouse.database}).result_set
        missing = sorted(set(VIEWS) - {row[0] for row in found})
    except Exception as error:
        raise StoreError(f"ClickHouse at {config.clickhouse.url} refused: {str(error).splitlines()[0][:200]}") from error
    finally:
        client.close()
    if missing:
        raise MissingPart(f"database {config.clickhouse.database} has no {', '.join(missing)}", "run `anomasec migrate`")


def check_flink(config: Config, slots: int = 1, wait_s: float = 0) -> None:
    """Check that the cluster answers and has `slots` free slots.

    Raises
    ------
    ClusterError
        No answer, no TaskManager within `wait_s` (they come one by one after a JobManager's start), or too few free slots.
    """
    url = config.flink.rest_url
    deadline = time.monotonic() + wait_s
    free, total = _slots(url)
    while total == 0 and time.monotonic() < deadline:
        time.sleep(0.5)
        free, total = _slots(url)
    if total == 0:
        raise ClusterError(f"Flink at {url} has no TaskManager", "wait a moment, or see `anomasec status` and taskmanager.log")
    if free < slots:
        raise ClusterError(
            f"Flink at {url} has {free} free slots of {total}, {slots} are needed",
            "stop a job (`anomasec jobs`, `anomasec stop`), or raise [stack] slots and start the stack anew",
        )


def _slots(url: str) -> tuple[int, int]:
    """Free slots, and all."""
    try:
        answer = requests.get(f"{url}/overview", timeout=8)
        answer.raise_for_status()
        overview = answer.json()
        return int(overview["slots-available"]), int(overview["slots-total"])
    except requests.ConnectionError:
        raise ClusterError(f"Flink at {url} does not answer", "start it with `anomasec up`, or set [flink] rest_url") from None
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise ClusterError(f"{url} is no Flink cluster: {type(error).__name__}", "set [flink] rest_url to the JobManager's") from None
