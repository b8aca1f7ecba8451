"""A run of its own topics and database on the shared stack: lines in, rows out, compared with the truth."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from jobs.submit import job_name, restart
from tests.bench.cpu import tree

__all__ = ["Run", "expected_counts", "kill_under_load", "new_run", "running_job", "strike"]

FROZEN_S = 20.0


@dataclass
class Run:
    """Configuration of one run, and questions to its database."""

    stack: Stack
    config: Config

    def send(self, settings: WorldSettings, lines: int, lines_per_message: int = 1, lines_per_s: float = 0, seed: int = 5) -> Truth:
        """Send generated lines to the raw topic; the truth about them."""
        world = World(seed, settings)
        with Sender(self.config.kafka.client_options(), self.config.topics.raw) as output:
            write_lines(world, output, total_lines=lines, lines_per_s=lines_per_s, lines_per_message=lines_per_message)
        return world.truth

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return list(self.config.clickhouse.client().query(query).result_rows)

    def counts(self) -> dict[str, int]:
        """Rows of the views that the truth speaks of; -1 while the store does not answer."""
        queries = {
            "events": "SELECT count() FROM events",
            "duplicates": "SELECT countIf(is_duplicate) FROM events",
            "transactions": "SELECT count() FROM transactions",
            "counted events": "SELECT sum(event_count) FROM transactions",
            "dead letters": "SELECT count() FROM dead_letters",
        }
        return {name: int(self.query(query)[0][0]) for name, query in queries.items()}

    def wait_for_truth(self, truths: list[Truth], timeout_s: float = 180) -> dict[str, int]:
        """Wait until the counts are those of the truth (or time is up); the counts."""
        expected = expected_counts(truths)
        deadline = time.monotonic() + timeout_s
        counts = self.counts()
        while counts != expected and time.monotonic() < deadline:
            time.sleep(1)
            counts = self.counts()
        return counts


def expected_counts(truths: list[Truth]) -> dict[str, int]:
    """What the views must show once everything sent has arrived."""
    return {
        "events": sum(t.valid_lines for t in truths),
        "duplicates": sum(t.duplicate_lines for t in truths),
        "transactions": sum(t.transactions for t in truths),
        "counted events": sum(t.valid_lines - t.duplicate_lines for t in truths),
        "dead letters": sum(t.malformed_lines for t in truths),
    }


def kill_under_load(
    run: Run, settings: WorldSettings, lines: int, victims: Sequence[str], pause_s: float, settle_s: float = 240
) -> tuple[list[Truth], dict[str, int]]:
    """Send lines at the pace of `settings` while each victim in turn is struck and put right again; truth and final counts."""
    truths: list[Truth] = []
    with running_job(run, "pipeline"):
        now = replace(settings, start_ms=int(time.time() * 1000))  # a paced run starts now, not while the job was submitted
        pace = settings.lines_per_s
        sender = threading.Thread(target=lambda: truths.append(run.send(now, lines, lines_per_s=pace, seed=3)), daemon=True)
        sender.start()
        for victim in victims:
            time.sleep(pause_s)
            strike(run, victim)
        sender.join(lines / settings.lines_per_s + 240)
        assert not sender.is_alive(), "the lines could not all be sent"
        return truths, run.wait_for_truth(truths, settle_s)


def strike(run: Run, victim: str) -> None:
    """SIGKILL a process and start it again; 'frozen X' stops it for 20 s, which its peers see as a network that lets nothing through."""
    if victim == "python worker":
        workers = [pid for pid, name in tree(run.stack.pid("taskmanager") or 0).items() if name.startswith("python")]
        os.kill(workers[-1], signal.SIGKILL)
    elif victim.startswith("frozen "):
        pid = run.stack.pid(victim.removeprefix("frozen "))
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        time.sleep(FROZEN_S)
        os.kill(pid, signal.SIGCONT)
    else:
        run.stack.kill(victim)
        time.sleep(2)
        run.stack.start(victim)
        if victim == "jobmanager":  # it takes its jobs along; they go on from their last checkpoint
            restart(run.config, "pipeline")


def new_run(stack: Stack, name: str, raw: str | None = None, parallelism: int = 2) -> Run:
    """Topics and a database of the run's own; `raw` reads the raw topic of another run."""
    base = stack.config()
    topics = replace(
        base.topics,
        raw=raw or f"{name}-raw",
        points=f"{name}-points",
        anomalies=f"{name}-anomalies",
        incidents=f"{name}-incidents",
        dead_letters=f"{name}-dead-letters",
    )
    config = replace(
        base,
        topics=topics,
        clickhouse=replace(base.clickhouse, database=name),
        flink=replace(base.flink, parallelism=parallelism),
    )
    create_topics(config)
    migrate(config.clickhouse.client(database="default"), name)
    return Run(stack, config)


@contextmanager
def running_job(run: Run, *jobs: str, from_beginning: bool = True) -> Iterator[list[str]]:
    """Submit jobs; cancel them at the end and wait until they are gone."""
    from jobs.submit import submit

    rest = FlinkRest(run.config.flink.rest_url)
    try:
        yield [submit(run.config, job, from_beginning=from_beginning) for job in jobs]
    finally:
        for job in jobs:
            if found := rest.find(job_name(job)):
                rest.cancel(found.job_id)
            while rest.find(job_name(job)):
                time.sleep(0.2)
