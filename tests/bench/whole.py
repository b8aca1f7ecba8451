"""The whole spine on real parts: generated lines in Kafka to rows in ClickHouse, broker and store on the same cores."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.config import Config
from jobs.flink_rest import FlinkRest
from jobs.generate.output import write_lines
from jobs.generate.send import Sender
from jobs.generate.truth import Truth
from jobs.generate.world import World, WorldSettings
from jobs.migrate import migrate
from jobs.stack.stack import Stack
from jobs.stack.topics import create_topics
from jobs.submit import submit
from tests.bench.cpu import cpu_seconds, peak_memory_mb, tree

__all__ = ["Result", "measure_topic", "measure_whole"]

_PARTS = ("kafka", "store", "jobmanager", "taskmanager")


@dataclass
class Result:
    """One run."""

    lines: int
    lines_per_message: int
    lines_per_s: float = 0.0
    """Slope between the first and the last tenth of the rows: start-up left out."""
    cpu_s_per_million: dict[str, float] = field(default_factory=dict)
    """By part over the same span; `broker (append)` was spent while the lines were sent."""
    memory_mb: dict[str, float] = field(default_factory=dict)
    exact: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What -> (expected, stored)."""


def measure_whole(stack: Stack, lines: int, lines_per_message: int, job: str, parallelism: int) -> Result:
    """Fill a topic, then let the job read it to the end."""
    config = _config(stack.config(), f"bench{lines_per_message}x{lines}", parallelism)
    before = cpu_seconds(tree(_pid(stack, "kafka")))
    truth = _fill(config, lines, lines_per_message)
    after = cpu_seconds(tree(_pid(stack, "kafka")))
    append = sum(after.values()) - sum(before.values())
    result = measure_topic(stack, config, truth, job, lines_per_message)
    result.cpu_s_per_million["broker (append)"] = append / truth.lines_sent * 1e6
    return result


def measure_topic(stack: Stack, config: Config, truth: Truth, job: str, lines_per_message: int) -> Result:
    """Let the job read a topic that is filled already, to its end."""
    result = Result(truth.lines_sent, lines_per_message)
    client = config.clickhouse.client(database="default")
    migrate(client, config.clickhouse.database)
    job_id = submit(config, job, from_beginning=True)
    samples = _watch(stack, client, config.clickhouse.database, truth)
    rest = FlinkRest(config.flink.rest_url)
    result.memory_mb = {part: peak_memory_mb(tree(_pid(stack, part))) for part in _PARTS}
    result.exact = _exact(client, config.clickhouse.database, truth)
    rest.cancel(job_id)
    while rest.find(f"anomasec-{job}"):
        time.sleep(0.2)
    first = next(s for s in samples if s[1] >= 0.1 * truth.valid_lines)
    last = next(s for s in samples if s[1] >= 0.9 * truth.valid_lines)
    done = last[1] - first[1]
    if done:  # none: so few lines that they came in one step
        result.lines_per_s = done / (last[0] - first[0])
        result.cpu_s_per_million = {name: (last[2][name] - first[2].get(name, 0.0)) / done * 1e6 for name in last[2]}
    return result


def _config(config: Config, name: str, parallelism: int) -> Config:
    """A topic and a database of the run's own."""
    topics = replace(config.topics, raw=f"{name}-raw", points=f"{name}-points")
    clickhouse = replace(config.clickhouse, database=name)
    return replace(config, topics=topics, clickhouse=clickhouse, flink=replace(config.flink, parallelism=parallelism))


def _fill(config: Config, lines: int, lines_per_message: int) -> Truth:
    create_topics(config)
    world = World(11, WorldSettings(start_ms=int(time.time() * 1000), lines_per_s=60_000))
    with Sender(config.kafka.client_options(), config.topics.raw) as output:
        write_lines(world, output, total_lines=lines, lines_per_s=0, lines_per_message=lines_per_message)
    return world.truth


def _watch(stack: Stack, client: Any, database: str, truth: Truth) -> list[tuple[float, int, dict[str, float]]]:
    """(time, rows of events, CPU seconds by part) about twice a second, until all rows are there and quiet for 15 s."""
    samples: list[tuple[float, int, dict[str, float]]] = []
    deadline = time.monotonic() + 900
    complete_at = None
    while time.monotonic() < deadline and (complete_at is None or time.monotonic() < complete_at + 20):
        rows = client.query(
            "SELECT sum(rows) FROM system.parts WHERE active AND database = {d:String} AND table = 'events_data'", {"d": database}
        ).result_rows[0][0]
        samples.append((time.monotonic(), int(rows or 0), _cpu(stack)))
        if complete_at is None and rows and rows >= truth.valid_lines:
            complete_at = time.monotonic()
        time.sleep(0.5)
    return samples


def _cpu(stack: Stack) -> dict[str, float]:
    used: dict[str, float] = {}
    for part in _PARTS:
        for name, seconds in cpu_seconds(tree(_pid(stack, part))).items():
            label = {"kafka": "broker (fetch)", "store": "store", "jobmanager": "JobManager"}.get(part)
            label = label or ("TaskManager JVM" if name == "java" else "Python workers")
            used[label] = used.get(label, 0.0) + seconds
    return used


def _exact(client: Any, database: str, truth: Truth) -> dict[str, tuple[int, int]]:
    def count(query: str) -> int:
        return int(client.query(query.replace("FROM ", f"FROM {database}.")).result_rows[0][0])

    return {
        "events": (truth.valid_lines, count("SELECT count() FROM events")),
        "transactions": (truth.transactions, count("SELECT count() FROM transactions")),
        "dead letters": (truth.malformed_lines, count("SELECT count() FROM dead_letters")),
        "duplicates": (truth.duplicate_lines, count("SELECT countIf(is_duplicate) FROM events")),
    }


def _pid(stack: Stack, part: str) -> int:
    pid = stack.pid(part)
    if pid is None:
        raise RuntimeError(f"{part} does not run; see {stack.log_file(part)}")
    return pid
