"""The local stack as a whole: Kafka, store, JobManager and TaskManager in one folder."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from jobs.config import Config, load_config
from jobs.stack.broker import broker_answers, broker_spec, prepare_broker
from jobs.stack.cluster import jobmanager_answers, jobmanager_spec, prepare_flink, taskmanager_answers, taskmanager_spec
from jobs.stack.embedded_store import store_answers, store_spec
from jobs.stack.machine import find_java, free_ports, require_disk, require_free_port
from jobs.stack.process import Process, ProcessSpec
from schemas.errors import ConfigError, MissingPart

__all__ = ["PARTS", "PartState", "Stack"]

PARTS: dict[str, tuple[str, ...]] = {"kafka": ("kafka",), "store": ("store",), "flink": ("jobmanager", "taskmanager")}
"""Part (as in `--only`) -> its processes, in the order they are started."""
ADDRESSES = {"kafka": "kafka.bootstrap_servers", "store": "clickhouse.url", "flink": "flink.rest_url"}
PORT_KEYS = (
    "kafka_port",
    "controller_port",
    "store_port",
    "flink_port",
    "jobmanager_port",
    "jobmanager_metrics_port",
    "taskmanager_metrics_port",
)
START_WAIT_S = 180.0  # 5 s on an idle machine, 40 s with ten busy processes on two cores

Report = Callable[[str], None]


@dataclass(frozen=True)
class PartState:
    """One process, for people."""

    name: str
    state: Literal["up", "starting", "down", "yours"]
    address: str
    pid: int | None
    memory_mb: int


class Stack:
    """The processes of the local stack.

    Parameters
    ----------
    home
        Folder of everything: data, logs, checkpoints. One stack per folder.
    ports
        Where the ports start (they are consecutive), or `"auto"` for free ones. None: those of the last start in this folder,
        else the configured ones.
    config
        Whose `[stack]` settings and own addresses count; without it `load_config(home=home)`.
    overrides
        Fields of `StackConfig`, e.g. `taskmanager_mb=2048`.
    """

    def __init__(self, home: Path, *, ports: int | Literal["auto"] | None = None, config: Config | None = None, **overrides: int) -> None:
        self.home = home.resolve()
        self._given = config or load_config(home=self.home)
        self._kept = {*PORT_KEYS, *overrides}
        stack = self._given.stack
        if ports == "auto" and not (self.home / "stack.json").exists():
            stack = replace(stack, **dict(zip(PORT_KEYS, free_ports(len(PORT_KEYS)), strict=True)))
        elif isinstance(ports, int):
            stack = replace(stack, **{key: ports + index for index, key in enumerate(PORT_KEYS)})
        self._config = self._with_addresses(replace(self._given, home=self.home, stack=replace(stack, **overrides)))
        self._processes: dict[str, Process] = {}

    def config(self) -> Config:
        """Return the configuration that reaches this stack."""
        return self._config

    def up(self, only: Sequence[str] = (), report: Report = lambda line: None) -> None:
        """Start what does not run, wait until it answers, create topics and tables; harmless when all runs.

        Raises
        ------
        MissingPart
            Java, jars, disk space or a port is missing, or a process ended before it answered.
        """
        parts = self._parts(only)
        self.home.mkdir(parents=True, exist_ok=True)
        with self._lock():
            names = [name for part in parts for name in PARTS[part]]
            missing = [name for name in names if self._process(name).pid is None]
            self._check_ports_kept(missing)
            if missing:
                self._check_machine(missing)
                self._write_addresses()
                self._prepare(missing)
            begin = time.monotonic()
            for name in missing:
                self._start(name)
            waiting = list(names)
            while waiting:
                waiting = [name for name in waiting if not self._answers(name, report, name in missing, begin)]
                time.sleep(0.1 if waiting else 0)
            self._provision(parts, report)

    def down(self, report: Report = lambda line: None) -> list[str]:
        """End what `up` started, the workers of the TaskManager too; return the names of what had to be killed."""
        with self._lock():
            # The TaskManager first, so that running jobs do not spend the wait on reconnecting.
            names = [name for part in reversed(PARTS) for name in reversed(PARTS[part])]
            running = [name for name in names if self._process(name).pid is not None]
            for name in running:
                self._process(name).stop()
            killed = []
            for name in names:
                graceful = self._process(name).wait_stopped()
                if name in running:
                    report(f"{name} stopped" if graceful else f"{name} did not stop by itself and was killed")
                if not graceful:
                    killed.append(name)
            return killed

    def status(self) -> list[PartState]:
        """Return the state of every process, and of what the user runs himself."""
        states = []
        for part, names in PARTS.items():
            if self._given.is_users_own(ADDRESSES[part]):
                address = {"kafka": self._config.kafka.bootstrap_servers, "store": self._config.clickhouse.url}
                states.append(PartState(part, "yours", address.get(part, self._config.flink.rest_url), None, 0))
                continue
            for name in names:
                process = self._process(name)
                pid = process.pid
                state: Literal["up", "starting", "down"] = "down" if pid is None else "up" if self._ready(name) else "starting"
                states.append(PartState(name, state, process.spec.address, pid, process.memory_mb()))
        return states

    def kill(self, name: str) -> None:
        """SIGKILL one process (kafka, store, jobmanager, taskmanager), as a fault test does."""
        self._process(name).kill()

    def start(self, name: str, report: Report = lambda line: None) -> None:
        """Start one process again and wait until it answers."""
        self._prepare([name])
        begin = time.monotonic()
        self._start(name)
        while not self._answers(name, report, True, begin):
            time.sleep(0.1)

    def pid(self, name: str) -> int | None:
        """Pid of one process, None if it does not run."""
        return self._process(name).pid

    def log_file(self, name: str) -> Path:
        """Where one process logs."""
        return self._process(name).log

    def _parts(self, only: Sequence[str]) -> list[str]:
        for part in only:
            if part not in PARTS:
                raise ConfigError(f"there is no part '{part}'", f"use {', '.join(PARTS)}")
        own = {part for part, key in ADDRESSES.items() if self._given.is_users_own(key)}
        for part in own.intersection(only):
            key = ADDRESSES[part]
            raise ConfigError(f"{key} is set by {self._given.origins[key]}, so {part} is yours to run", "remove it to use the local one")
        return [part for part in PARTS if part not in own and (not only or part in only)]

    def _check_ports_kept(self, missing: Sequence[str]) -> None:
        """Refuse to move ports while a part of the stack still listens on the old ones."""
        running = [name for names in PARTS.values() for name in names if name not in missing and self._process(name).pid is not None]
        path = self.home / "stack.json"
        if not running or not path.exists():
            return
        kept = json.loads(path.read_text())["config"]["stack"]
        if any(getattr(self._config.stack, key) != kept[key] for key in PORT_KEYS):
            raise ConfigError(f"{', '.join(running)} already run on other ports", "run `anomasec down` first")

    def _check_machine(self, names: Sequence[str]) -> None:
        require_disk(self.home)
        if set(names) - {"store"}:
            find_java()
        for name in names:
            for key, port in self._spec(name).ports.items():
                require_free_port(port, key, name)

    def _prepare(self, names: Sequence[str]) -> None:
        if "kafka" in names:
            prepare_broker(self._config)
        if {"jobmanager", "taskmanager"}.intersection(names):
            prepare_flink(self._config)

    def _start(self, name: str) -> None:
        self._processes[name] = process = Process(self._spec(name), self.home)
        process.start()

    def _answers(self, name: str, report: Report, started: bool, begin: float) -> bool:
        process = self._process(name)
        if process.pid is None or time.monotonic() - begin > START_WAIT_S:
            what = "ended while it started" if process.pid is None else f"does not answer after {START_WAIT_S:.0f} s"
            shown = next(path for path in (process.log, process.out) if path.exists() and path.stat().st_size)
            raise MissingPart(f"{name} {what}: {process.last_words()}", f"see {shown}")
        if not self._ready(name):
            return False
        report(f"{name} up at {process.spec.address} after {time.monotonic() - begin:.1f} s" if started else f"{name} was up already")
        return True

    def _ready(self, name: str) -> bool:
        config = self._config
        if name == "taskmanager":
            return taskmanager_answers(config, self._process(name).label)
        checks = {"kafka": broker_answers, "store": store_answers, "jobmanager": jobmanager_answers}
        return checks[name](config)

    def _provision(self, parts: Sequence[str], report: Report) -> None:
        if "kafka" in parts:
            from jobs.stack.topics import create_topics

            created = create_topics(self._config)
            if created:
                report(f"topics created: {', '.join(created)}")
        if "store" in parts:
            from jobs.migrate import migrate

            client = self._config.clickhouse.client(database="default")
            try:
                applied = migrate(client, self._config.clickhouse.database, self._config.sql_dir / "clickhouse")
            finally:
                client.close()
            if applied:
                report(f"tables made: {', '.join(applied)}")

    def _process(self, name: str) -> Process:
        if name not in self._processes:
            self._processes[name] = Process(self._spec(name), self.home)
        return self._processes[name]

    def _spec(self, name: str) -> ProcessSpec:
        specs = {"kafka": broker_spec, "store": store_spec, "jobmanager": jobmanager_spec, "taskmanager": taskmanager_spec}
        return specs[name](self._config)

    def _with_addresses(self, config: Config) -> Config:
        stack = config.stack
        kafka, clickhouse, flink = config.kafka, config.clickhouse, config.flink
        if not config.is_users_own(ADDRESSES["kafka"]):
            kafka = replace(kafka, bootstrap_servers=f"127.0.0.1:{stack.kafka_port}")
        if not config.is_users_own(ADDRESSES["store"]):
            clickhouse = replace(clickhouse, url=f"http://127.0.0.1:{stack.store_port}")
        if not config.is_users_own(ADDRESSES["flink"]):
            flink = replace(flink, rest_url=f"http://127.0.0.1:{stack.flink_port}")
        return replace(config, kafka=kafka, clickhouse=clickhouse, flink=flink)

    def _write_addresses(self) -> None:
        """Let other commands find the stack: `load_config` reads this file."""
        config = self._config
        found: dict[str, dict[str, Any]] = {"stack": {key: value for key, value in asdict(config.stack).items() if key in self._kept}}
        if not self._given.is_users_own(ADDRESSES["kafka"]):
            found["kafka"] = {"bootstrap_servers": config.kafka.bootstrap_servers}
        if not self._given.is_users_own(ADDRESSES["store"]):
            found["clickhouse"] = {"url": config.clickhouse.url}
        if not self._given.is_users_own(ADDRESSES["flink"]):
            found["flink"] = {"rest_url": config.flink.rest_url}
        partial = self.home / "stack.json.tmp"
        partial.write_text(json.dumps({"config": found}, indent=2) + "\n")
        partial.replace(self.home / "stack.json")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One `up` or `down` at a time per folder."""
        folder = self.home / "run"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
