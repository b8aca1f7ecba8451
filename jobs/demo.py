"""The demonstration: start everything, stream a world with planted faults, show what was found next to what was planted."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from jobs.config import Config, load_config
from jobs.generate import Chunk, Fault, Truth, World, WorldSettings
from jobs.stack.stack import Stack
from schemas.errors import AnomasecError

__all__ = ["FAULT_SIGNS", "Counts", "Demo", "Finding", "demo_faults", "demo_settings", "find_fault", "missed", "running_stack"]

HISTORY_S = 80.0
"""Event time before the start that is sent at once, so that series have a past to be judged by."""
LEAST_HISTORY_S = 70.0
"""12 windows of 5 s are needed, and one more in case the burst is cut in two."""
LIVE_S = 52.0
LINES_PER_S = 1_500.0
SETTLE_S = 240.0
"""Longest time to wait at the end for the last windows, on a machine that is busy with other things."""
QUIET_S = 15.0
"""No new points for so long, with all lines stored: nothing more is to be expected."""
_CHUNKS_PER_S = 5
_SLICE = 8_000
"""Lines of the past that are spread over the partitions at once: some 5 s of it."""
_AHEAD_S = 0.98
"""How long before the live part the past is sent."""
_GAP_S = 5.0
"""Between an earlier demonstration's last window and the history of this one."""
_SLACK_S = 10.0
"""A window may begin before its fault, and callers' transactions end after it."""

FAULT_SIGNS = {
    "latency_step": ("latency_ms", "transaction_duration_ms"),
    "latency_spike": ("latency_ms", "transaction_duration_ms"),
    "errors_backend": ("error_ratio_backend", "error_ratio"),
    "errors_timeout": ("error_ratio_timeout", "error_ratio", "latency_ms"),
    "errors_authentication": ("error_ratio_authentication", "error_ratio"),
    "traffic_drop": ("request_rate",),
    "traffic_surge": ("request_rate",),
}
"""Kind of fault -> how the names of the metrics begin in which it shows."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Counts:
    """What the store holds of the demonstration."""

    events: int = 0
    transactions: int = 0
    points: int = 0
    anomalies: int = 0
    incidents: int = 0
    dead_letters: int = 0
    latest: str = ""
    """Summary of the newest incident."""


@dataclass(frozen=True)
class Finding:
    """A planted fault and what was found of it."""

    fault: Fault
    start_s: float
    """Epoch seconds."""
    found_after_s: float | None = None
    """On the broker's clock, from the fault's start; None = not found."""
    entity: str = ""
    metric: str = ""
    score: float = 0.0
    reason: str = ""
    incident: str = ""


@dataclass
class Demo:
    """One demonstration against a stack; `stream` and `await_results` may take a minute each."""

    config: Config
    seed: int = 1
    sent: int = 0
    """Lines sent so far."""
    counts: Counts = field(default_factory=Counts)
    truth: Truth | None = None
    live_start: float = 0.0
    """Epoch seconds at which the live part begins."""

    def stream(self) -> None:
        """Send the past in a burst, then the present at its pace.

        Raises
        ------
        AnomasecError
            The broker does not take the lines.
        """
        from jobs.generate.send import Sender

        self.live_start = self._choose_start()
        history_s = min(HISTORY_S, self.live_start - self._newest_point() - _GAP_S)
        # Ids of its own each time: those of an earlier demonstration would join its transactions in the store.
        world = World(self.seed * 1_000_003 + int(self.live_start), demo_settings(self.live_start, history_s))
        self.truth = world.truth
        chunks = world.chunks(None, int(LINES_PER_S / _CHUNKS_PER_S))
        with Sender(self.config.kafka.client_options(), self.config.topics.raw) as sender:
            past, first = _split(chunks, int(history_s * 1000))
            # All of the past within one tick of the broker's clock if the machine can; where it cannot, the cut is between two slices,
            # which are in order of time, so that hardly a window is seen half full.
            time.sleep(max(0.0, self.live_start - _AHEAD_S - time.time()))
            for begin in range(0, len(past), _SLICE):
                sender.send(past[begin : begin + _SLICE])
                self.sent += min(_SLICE, len(past) - begin)
            for chunk in first, *chunks:
                due = min(chunk.arrival_ms[-1] / 1000 - history_s, LIVE_S + 2)  # nobody waits for the very last late lines
                time.sleep(max(0.0, self.live_start + due - time.time()))
                sender.send(chunk.lines)
                self.sent += len(chunk)
                self.truth = world.truth
        self.truth = world.truth

    def await_results(self) -> list[Finding]:
        """Wait until all lines are in the store and every fault was found, or nothing more is to be expected."""
        truth, begin = self._told(), time.monotonic()
        changed, points = begin, -1
        while (now := time.monotonic()) < begin + SETTLE_S:
            findings, counts = self.findings(), self.counts
            if counts.points != points:
                changed, points = now, counts.points
            assembled = counts.transactions >= truth.transactions or now > begin + QUIET_S
            if counts.events >= truth.valid_lines and ((assembled and not missed(findings)) or now > changed + QUIET_S):
                return findings
            time.sleep(1)
        return self.findings()

    def findings(self) -> list[Finding]:
        """Each planted fault with what was found of it so far."""
        truth = self._told()
        with contextlib.closing(self.config.clickhouse.client()) as client:
            return [find_fault(client, fault, truth.start_ms / 1000) for fault in truth.faults]

    def count(self) -> Counts:
        """Ask the store how far it is."""
        if not self.live_start:
            return self.counts
        # By the broker's clock, not by event time: the history reaches back to where an earlier demonstration may have ended.
        since = {"since": (self.live_start - _AHEAD_S) * 1e3}
        bound = "fromUnixTimestamp64Milli(toInt64({since:Float64}))"
        mine = "incident_id IN (SELECT incident_id FROM anomalies WHERE emitted_at >= {bound})"
        with contextlib.closing(self.config.clickhouse.client()) as client:

            def one(sql: str) -> Any:
                rows = client.query(sql.replace("{bound}", bound), parameters=since).result_rows
                return rows[0][0] if rows else ""

            self.counts = Counts(
                events=one("SELECT count() FROM events WHERE arrived_at >= {bound}"),
                transactions=one("SELECT count() FROM transactions WHERE first_arrived_at >= {bound}"),
                points=one("SELECT count() FROM points WHERE emitted_at >= {bound}"),
                anomalies=one("SELECT count() FROM anomalies WHERE emitted_at >= {bound}"),
                incidents=one(f"SELECT count() FROM incidents WHERE {mine}"),
                dead_letters=one("SELECT count() FROM dead_letters WHERE arrived_at >= {bound}"),
                latest=one(f"SELECT summary FROM incidents WHERE {mine} ORDER BY started_at DESC, max_score DESC LIMIT 1"),
            )
        return self.counts

    @contextlib.contextmanager
    def counting(self, every_s: float = 2.0) -> Iterator[None]:
        """Keep `counts` up to date from a thread of its own."""
        stopped = threading.Event()

        def keep() -> None:
            while not stopped.wait(every_s):
                with contextlib.suppress(Exception):  # a busy store is no reason to stop the show; the end asks again
                    self.count()

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _told(self) -> Truth:
        if self.truth is None:
            raise RuntimeError("nothing was streamed yet")
        return self.truth

    def _choose_start(self) -> float:
        """A full second soon, late enough that an earlier demonstration does not reach into the history."""
        return float(int(max(time.time() + 4, self._newest_point() + LEAST_HISTORY_S + _GAP_S)))

    def _newest_point(self) -> float:
        """Epoch seconds of the newest window in the store; 0 in an empty one."""
        with contextlib.closing(self.config.clickhouse.client()) as client:
            newest = client.query("SELECT toFloat64(toUnixTimestamp(max(time))) FROM points WHERE time < now() + 60").result_rows[0][0]
        return float(newest)


def demo_faults(history_s: float) -> tuple[Fault, ...]:
    """Four faults of 10 s in the live part, deep in the calls."""
    plan = (
        ("latency_step", "payments", "POST /charges", 6.0),
        ("errors_backend", "inventory", "GET /items/{id}", 17.0),
        ("errors_authentication", "auth", "POST /verify", 28.0),
        ("traffic_drop", "search", "", 39.0),
    )
    return tuple(Fault(kind, service, history_s + at, history_s + at + 10, route) for kind, service, route, at in plan)


def demo_settings(live_start: float, history_s: float) -> WorldSettings:
    """The demonstration's world."""
    return WorldSettings(
        start_ms=int((live_start - history_s) * 1000),
        lines_per_s=LINES_PER_S,
        duration_s=history_s + LIVE_S,
        faults=demo_faults(history_s),
        late=0.002,
    )


def find_fault(client: Any, fault: Fault, world_start_s: float) -> Finding:
    """Look for the anomaly that shows the fault best: in its service, its metrics and its time.

    Parameters
    ----------
    client : clickhouse-connect client whose database holds the views
    world_start_s : epoch seconds of the world's start
    """
    start, end = world_start_s + fault.start_s, world_start_s + fault.end_s
    rows = list(
        client.query(
            """SELECT entity, metric, score, reason, incident_id, toUnixTimestamp64Milli(emitted_at) / 1000 AS emitted
               FROM anomalies
               WHERE (entity = {service:String} OR startsWith(entity, concat({service:String}, ' ')))
                 AND ({environment:String} IN ('', environment))
                 AND arrayExists(sign -> startsWith(metric, sign), {signs:Array(String)})
                 AND time + toIntervalSecond(width_s) > toDateTime64({start:Float64}, 6, 'UTC')
                 AND time < toDateTime64({end:Float64}, 6, 'UTC')
                 AND emitted_at >= toDateTime64({start:Float64}, 3, 'UTC')
               ORDER BY emitted, score DESC LIMIT 500""",
            parameters={
                "service": fault.service,
                "environment": fault.environment,
                "signs": list(FAULT_SIGNS[fault.kind]),
                "start": start,
                "end": end + _SLACK_S,
            },
        ).named_results()
    )
    if not rows:
        return Finding(fault, start)
    strongest = max(rows, key=lambda row: (row["entity"] == fault.entity, row["score"]))
    return Finding(
        fault,
        start,
        found_after_s=max(rows[0]["emitted"] - start, 0.0),
        entity=strongest["entity"],
        metric=strongest["metric"],
        score=strongest["score"],
        reason=strongest["reason"],
        incident=next((row["incident_id"] for row in rows if row["incident_id"]), ""),
    )


@contextlib.contextmanager
def running_stack(
    home: Path | None, config_path: Path | None, ports: int | Literal["auto"] | None, keep: bool, report: Report
) -> Iterator[Stack]:
    """The stack with the job of all stages on it; what was not up before is stopped at the end unless `keep`."""
    from jobs.submit import live_jobs, submit

    config = load_config(config_path, home=home)
    stack = Stack(config.home, ports=ports, config=config)
    was_up = any(state.state == "up" for state in stack.status())
    try:
        stack.up(report=report)
        live = live_jobs(stack.config())
        if not live:
            report("submitting the job of all stages")
            submit(stack.config(), "pipeline")
        elif "pipeline" not in live and not {"ingest", "score"}.issubset(live):
            raise AnomasecError(f"only {', '.join(live)} of the jobs runs", "stop it with `anomasec stop`, then run the demo again")
        report("all stages run")
        yield stack
    finally:
        if not keep and not was_up:
            stack.down(report=report)


def _split(chunks: Iterator[Chunk], history_ms: int) -> tuple[pa.Array, Chunk]:
    """All lines due before `history_ms` as one column, and the first chunk after them."""
    past: list[pa.Array] = []
    for chunk in chunks:
        if chunk.arrival_ms[-1] >= history_ms:
            return pa.concat_arrays(past), chunk
        past.append(chunk.lines)
    raise RuntimeError("the world ended before its history did")


def missed(findings: Sequence[Finding]) -> list[Finding]:
    """Faults that were not found."""
    return [finding for finding in findings if finding.found_after_s is None]
