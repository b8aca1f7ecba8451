"""Run each on the same topic; lines per second and CPU from the slope between a tenth and nine tenths of the lines."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.config import Config
from jobs.stack.machine import python_path
from jobs.stack.stack import Stack
from jobs.stack.topics import create_topics
from tests.bench.cpu import cpu_seconds, tree
from tests.bench.rivals.judge import Judgement, judge
from tests.bench.rivals.topic import committed, ends, expected_events, fill, make_topic, written_by_collector, written_by_flink
from tests.bench.whole import measure_topic
from tests.e2e.otelcol import BINARY, running_collector, without_own_metrics

__all__ = ["RivalSettings", "Standing", "measure_rivals"]

PARTITIONS = 4
_WAIT_S = 10
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class RivalSettings:
    """What is run."""

    lines: int
    lines_per_s: float = 20_000.0
    """Pace at which the topic is filled."""
    row_wise_lines: int = 20_000
    """Read by the row-wise job, which is slow; 0 = leave it out."""
    collector_waits: tuple[int, ...] = (1, 10)
    """`wait_duration` of groupbytrace in seconds; 1 is its default."""


@dataclass(frozen=True)
class Standing:
    """How one did."""

    name: str
    lines: int
    lines_per_s: float | None
    """None: it was through before two samples could be taken; the CPU then has its start-up in it."""
    cpu_s_per_million: float | None
    """Its own processes, and the store where it writes to one; without the broker."""
    judgement: Judgement
    note: str = ""


@dataclass
class _Watched:
    samples: list[tuple[float, int, float]] = field(default_factory=list)
    """(time, lines read, CPU seconds)."""

    def slope(self, lines: int) -> tuple[float | None, float | None]:
        """Lines per second, CPU seconds per million lines."""
        within = [s for s in self.samples if 0.1 * lines <= s[1] <= 0.9 * lines]
        after = [s for s in self.samples if s[1] > 0.9 * lines][:1]
        known = within + after
        done = known[-1][1] - known[0][1] if known else 0
        if done <= 0:  # so few that they were read in one step: all it used, start-up included
            return None, self.samples[-1][2] / lines * 1e6 if self.samples else None
        first, last = known[0], known[-1]
        return done / (last[0] - first[0]), (last[2] - first[2]) / done * 1e6


def measure_rivals(stack: Stack, settings: RivalSettings, job: str, parallelism: int) -> Iterator[Standing]:
    """Yield the standing of our pipeline, then of each rival, one after the other."""
    base = stack.config()
    config = replace(
        base,
        topics=replace(base.topics, raw="rivals-raw", points="rivals-points"),
        clickhouse=replace(base.clickhouse, database="rivals"),
        flink=replace(base.flink, parallelism=parallelism),
    )
    create_topics(config)
    truth = fill(config, settings.lines, settings.lines_per_s, int(time.time() * 1000))
    expected = expected_events(config)
    if (len(expected), sum(expected.values())) != (truth.transactions, truth.valid_lines - truth.duplicate_lines):
        raise RuntimeError("the topic does not hold what the generator says that it sent")
    result = measure_topic(stack, config, truth, job, 1)
    rows = config.clickhouse.client().query("SELECT trace_id, event_count FROM transactions").result_rows
    cpu = sum(seconds for part, seconds in result.cpu_s_per_million.items() if not part.startswith("broker")) or None
    ours = judge(expected, ((str(trace), int(count)) for trace, count in rows))
    yield Standing(f"AnomaSec, job {job}", truth.lines_sent, result.lines_per_s or None, cpu, ours, "to ClickHouse, with points and scores")
    yield _flink(config, "sql", "pure Flink SQL, session windows", truth.lines_sent, expected, parallelism)
    if settings.row_wise_lines:
        limit = min(settings.row_wise_lines, truth.lines_sent // 2) // PARTITIONS
        some = expected_events(config, limit)
        yield _flink(config, "rows", "row-wise PyFlink, process mode", limit * PARTITIONS, some, parallelism, limit)
    for wait_s in settings.collector_waits if BINARY.exists() else ():
        yield _collector(stack, config, wait_s, truth.lines_sent, expected)


def _flink(
    config: Config, rival: str, name: str, lines: int, expected: dict[str, int], parallelism: int, limit: int | None = None
) -> Standing:
    out = group = f"rivals-{rival}"
    make_topic(config, out)
    command = [sys.executable, "-m", "tests.bench.rivals.flink_jobs", rival, "--topic", config.topics.raw, "--group", group, "--out", out]
    command += ["--servers", config.kafka.bootstrap_servers, "--wait", str(_WAIT_S), "--parallelism", str(parallelism)]
    command += ["--limit", str(limit or 0), "--partitions", str(PARTITIONS)]
    log = config.home / "log" / f"{out}.out"
    with _process(command, log) as process:
        watched = _watch(config, group, process.pid, lines, lambda: process.poll() is not None)
        if process.returncode:
            raise RuntimeError(f"{name} failed: {log.read_text()[-1500:]}")
    sampled = f"a sample; {_WAIT_S} s idle" if limit else f"{_WAIT_S} s idle"
    return Standing(name, lines, *watched.slope(lines), judge(expected, written_by_flink(config, out)), f"{sampled}; to Kafka")


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=_environment())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def _environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": python_path()}


def _collector(stack: Stack, config: Config, wait_s: int, lines: int, expected: dict[str, int]) -> Standing:
    out = group = f"rivals-collector-{wait_s}"
    make_topic(config, out)
    settings = _collector_settings(config, wait_s, group, out)
    with running_collector(settings, stack.home / "otelcol" / str(wait_s)) as pid:
        quiet = _Quiet(config, out, wait_s + 5)
        watched = _watch(config, group, pid, lines, lambda: watched_all(config, group, lines) and quiet.passed())
    rows = written_by_collector(config, out)
    name = f"OpenTelemetry Collector, groupbytrace {wait_s} s"
    return Standing(name, lines, *watched.slope(lines), judge(expected, rows), "the wall's clock; to Kafka")


def _collector_settings(config: Config, wait_s: int, group: str, out: str) -> dict[str, Any]:
    kafka = {"brokers": config.kafka.bootstrap_servers.split(",")}
    # Its default drops what does not fit into the queue: half of the traces of a backlog, measured. Its users would learn that, and wait.
    queue = {"sending_queue": {"block_on_overflow": True}}
    source = {"traces": {"topics": [config.topics.raw], "encoding": "otlp_json"}, "group_id": group, "initial_offset": "earliest"}
    target = {"traces": {"topic": out, "encoding": "otlp_json"}, "producer": {"compression": "lz4"}}
    return without_own_metrics(
        {
            "receivers": {"kafka": kafka | source},
            "processors": {"groupbytrace": {"wait_duration": f"{wait_s}s"}},
            "exporters": {"kafka": kafka | queue | target},
            "service": {"pipelines": {"traces": {"receivers": ["kafka"], "processors": ["groupbytrace"], "exporters": ["kafka"]}}},
        }
    )


class _Quiet:
    """Whether a topic has not grown for so long."""

    def __init__(self, config: Config, topic: str, quiet_s: float) -> None:
        self._config, self._topic, self._quiet_s = config, topic, quiet_s
        self._last, self._since = -1, time.monotonic()

    def passed(self) -> bool:
        end = ends(self._config, self._topic)
        if end != self._last:
            self._last, self._since = end, time.monotonic()
        return time.monotonic() - self._since > self._quiet_s


def watched_all(config: Config, group: str, lines: int) -> bool:
    """Whether the group has read all lines."""
    consumer = _group(config, group)
    try:
        return committed(consumer, config.topics.raw) >= lines
    finally:
        consumer.close()


def _watch(config: Config, group: str, pid: int, lines: int, is_done: Any) -> _Watched:
    """Sample about twice a second until it is done."""
    watched = _Watched()
    consumer = _group(config, group)
    deadline = time.monotonic() + _TIMEOUT_S
    try:
        while not is_done():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{group} is not through after {_TIMEOUT_S} s")
            watched.samples.append((time.monotonic(), committed(consumer, config.topics.raw), sum(cpu_seconds(tree(pid)).values())))
            time.sleep(0.5)
    finally:
        consumer.close()
    return watched


def _group(config: Config, group: str) -> Any:
    from kafka import KafkaConsumer

    return KafkaConsumer(**config.kafka.client_options(), group_id=group, enable_auto_commit=False)
