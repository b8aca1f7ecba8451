"""The local Flink cluster: JobManager and TaskManager from the wheel, with our libraries, settings and folders.

Java is started directly. The wheel's scripts do the same after four extra JVM starts, and want the wheel's own folder for libraries.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml

from jobs.config import Config, data_folder
from jobs.stack.machine import find_jars, find_java, python_path
from jobs.stack.process import ProcessSpec
from schemas.errors import MissingPart

__all__ = [
    "client_environment",
    "cluster_overview",
    "jobmanager_answers",
    "jobmanager_spec",
    "prepare_flink",
    "taskmanager_answers",
    "taskmanager_spec",
]

JOBMANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASKMANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
JOBMANAGER_METASPACE_MB = 256
TASKMANAGER_METASPACE_MB = 512
NETWORK_MB = 128
MANAGED_MB = 256
OVERHEAD_MB = 128
FRAMEWORK_MB = 128


def wheel_folder() -> Path:
    """Folder of the installed pyflink package, found without importing it."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPart("apache-flink is not installed", "run `make setup`")
    return Path(next(iter(spec.submodule_search_locations)))


def prepare_flink(config: Config) -> Path:
    """Lay out `<home>/flink`: `lib/` (links to the wheel's jars, flink-python, the Kafka connector) and `conf/`; return it.

    Also right for a client of a cluster that somebody else runs.
    """
    folder, wheel = config.home / "flink", wheel_folder()
    conf = folder / "conf"
    python_jars = list(wheel.glob("opt/flink-python-*.jar"))
    # flink-python from lib/ is loaded once; from opt/ alone each submission would load it anew, until metaspace is full.
    _link(folder / "lib", [*wheel.glob("lib/*.jar"), *python_jars, *find_jars("flink")])
    # `flink run` refuses to submit Python unless it finds the same jar here.
    _link(folder / "opt", python_jars)
    conf.mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "upload"):
        (folder / name).mkdir(exist_ok=True)
    settings = _shared_settings() | _local_settings(config, folder)
    partial = conf / f"config.{os.getpid()}.tmp"
    partial.write_text(yaml.safe_dump(settings, width=100_000))
    partial.replace(conf / "config.yaml")  # a process that is starting, or another client, must not read half of it
    for name in ("log4j.properties", "log4j-cli.properties"):
        shutil.copyfile(data_folder("flink-conf") / name, conf / name)
    return folder


def client_environment(config: Config) -> dict[str, str]:
    """Environment of a client that submits to the cluster (`bin/flink`, or a Python program that uses pyflink)."""
    folder = config.home / "flink"
    return {
        "FLINK_HOME": str(wheel_folder()),  # without it pyflink takes the wheel's lib/ for ours
        "FLINK_CONF_DIR": str(folder / "conf"),
        "FLINK_LIB_DIR": str(folder / "lib"),
        "FLINK_OPT_DIR": str(folder / "opt"),
        "FLINK_LOG_DIR": str(config.home / "log"),
        "FLINK_PLUGINS_DIR": str(wheel_folder() / "plugins"),
        "PYTHONPATH": python_path(),
    }


def jobmanager_spec(config: Config) -> ProcessSpec:
    """Say how the JobManager is started."""
    stack = config.stack
    heap = stack.jobmanager_mb - JOBMANAGER_METASPACE_MB - OVERHEAD_MB - FRAMEWORK_MB
    memory = [f"-Xms{heap // 2}m", f"-Xmx{heap}m", f"-XX:MaxMetaspaceSize={JOBMANAGER_METASPACE_MB}m"]
    return ProcessSpec(
        name="jobmanager",
        command=_java(config, "jobmanager", memory, JOBMANAGER, {"metrics.reporter.prom.port": stack.jobmanager_metrics_port}),
        address=f"http://127.0.0.1:{stack.flink_port}",
        ports={
            "flink_port": stack.flink_port,
            "jobmanager_port": stack.jobmanager_port,
            "jobmanager_metrics_port": stack.jobmanager_metrics_port,
        },
        environment=_environment(config),
        stop_wait_s=15,
    )


def taskmanager_spec(config: Config) -> ProcessSpec:
    """Say how the TaskManager is started."""
    stack = config.stack
    task_heap = _task_heap_mb(config)
    memory = [
        f"-Xms{task_heap // 2}m",
        f"-Xmx{task_heap + FRAMEWORK_MB}m",
        f"-XX:MaxDirectMemorySize={NETWORK_MB + FRAMEWORK_MB}m",
        f"-XX:MaxMetaspaceSize={TASKMANAGER_METASPACE_MB}m",
    ]
    # Named after this start, so that one which was killed and is not yet given up is not taken for the new one.
    label = f"taskmanager-{os.urandom(4).hex()}"
    settings = {"metrics.reporter.prom.port": stack.taskmanager_metrics_port, "taskmanager.resource-id": label}
    return ProcessSpec(
        name="taskmanager",
        command=_java(config, "taskmanager", memory, TASKMANAGER, settings),
        address=f"{stack.slots} slots",
        ports={"taskmanager_metrics_port": stack.taskmanager_metrics_port},
        environment=_environment(config),
        stop_wait_s=15,
        label=label,
    )


def cluster_overview(rest_url: str, timeout_s: float = 2.0) -> dict[str, Any] | None:
    """What the cluster says of itself (`taskmanagers`, `slots-total`, `slots-available`, `jobs-running`); None: no answer."""
    return _get(f"{rest_url}/overview", timeout_s)


def jobmanager_answers(config: Config) -> bool:
    """Whether the JobManager serves requests."""
    return cluster_overview(config.flink.rest_url) is not None


def taskmanager_answers(config: Config, label: str) -> bool:
    """Whether the TaskManager of exactly the start with this label offers its slots."""
    found = _get(f"{config.flink.rest_url}/taskmanagers", 2.0) or {}
    return any(manager["id"] == label and manager["slotsNumber"] for manager in found.get("taskmanagers", ()))


def _get(url: str, timeout_s: float) -> dict[str, Any] | None:
    try:
        answer = requests.get(url, timeout=timeout_s)
        return dict(answer.json()) if answer.ok else None
    except (requests.RequestException, ValueError):
        return None


def _link(folder: Path, jars: list[Path]) -> None:
    """Make `folder` hold links to exactly these jars, whatever it held before (another version, say)."""
    wanted = {jar.name: jar for jar in jars}
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name not in wanted or entry.resolve() != wanted[entry.name].resolve():
            entry.unlink(missing_ok=True)
    for name, jar in wanted.items():
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(jar)


def _shared_settings() -> dict[str, Any]:
    return dict(yaml.safe_load((data_folder("flink-conf") / "config.yaml").read_text()))


def _local_settings(config: Config, folder: Path) -> dict[str, Any]:
    stack = config.stack
    rest = urlsplit(config.flink.rest_url)
    settings: dict[str, Any] = {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": stack.jobmanager_port,
        "jobmanager.bind-host": "127.0.0.1",
        "jobmanager.memory.process.size": f"{stack.jobmanager_mb}m",
        "rest.address": rest.hostname,
        "rest.bind-address": "127.0.0.1",
        "rest.port": rest.port or (443 if rest.scheme == "https" else 80),
        "rest.bind-port": stack.flink_port,
        "taskmanager.host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.numberOfTaskSlots": stack.slots,
        # Spelt out part by part, because Java is started without the script that would divide the whole.
        "taskmanager.cpu.cores": float(os.cpu_count() or 1),
        "taskmanager.memory.framework.heap.size": f"{FRAMEWORK_MB}m",
        "taskmanager.memory.task.heap.size": f"{_task_heap_mb(config)}m",
        "taskmanager.memory.framework.off-heap.size": f"{FRAMEWORK_MB}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.network.min": f"{NETWORK_MB}m",
        "taskmanager.memory.network.max": f"{NETWORK_MB}m",
        "taskmanager.memory.managed.size": f"{MANAGED_MB}m",
        "taskmanager.memory.jvm-metaspace.size": f"{TASKMANAGER_METASPACE_MB}m",
        "taskmanager.memory.jvm-overhead.min": f"{OVERHEAD_MB}m",
        "taskmanager.memory.jvm-overhead.max": f"{OVERHEAD_MB}m",
        "parallelism.default": config.flink.parallelism,
        "execution.checkpointing.dir": config.flink.checkpoint_dir,
        "execution.checkpointing.savepoint-dir": config.flink.savepoint_dir,
        "execution.checkpointing.interval": config.flink.checkpoint_interval,
        "io.tmp.dirs": str(folder / "tmp"),
        "web.upload.dir": str(folder / "upload"),
        "web.tmpdir": str(folder / "tmp"),
        "env.log.dir": str(config.home / "log"),
        "python.client.executable": sys.executable,
    }
    if rest.scheme == "https":
        settings["security.ssl.rest.enabled"] = True
    # On a cluster that somebody else runs, this machine's path means nothing.
    if not config.is_users_own("flink.rest_url"):
        settings["python.executable"] = sys.executable
    return settings


def _task_heap_mb(config: Config) -> int:
    return config.stack.taskmanager_mb - TASKMANAGER_METASPACE_MB - OVERHEAD_MB - NETWORK_MB - MANAGED_MB - 2 * FRAMEWORK_MB


def _java(config: Config, name: str, memory: list[str], main: str, settings: dict[str, Any]) -> tuple[str, ...]:
    folder = config.home / "flink"
    jars = sorted((folder / "lib").glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar.name))
    options = str(_shared_settings()["env.java.opts.all"]).split()
    dynamic = [word for key, value in settings.items() for word in ("-D", f"{key}={value}")]
    return (
        find_java(),
        *memory,
        "-XX:+UseG1GC",
        *options,
        f"-Dlog.file={config.home / 'log' / name}.log",
        f"-Dlog4j.configurationFile=file:{folder / 'conf' / 'log4j.properties'}",
        "-cp",
        ":".join(str(jar) for jar in jars),
        main,
        "--configDir",
        str(folder / "conf"),
        *dynamic,
    )


def _environment(config: Config) -> dict[str, str]:
    # A virtual environment is not active when its python is called by path; Flink's worker script looks for `python` in PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return client_environment(config) | {"PATH": path}
