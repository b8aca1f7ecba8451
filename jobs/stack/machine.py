"""What the machine must have before anything starts: Java, jars, disk space, free ports."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from schemas.errors import MissingPart

__all__ = ["find_java", "find_jars", "free_ports", "product_root", "python_path", "require_disk", "require_free_port"]

MINIMUM_JAVA = 17
MINIMUM_DISK_MB = 2048


def product_root() -> Path:
    """Folder that holds the packages jobs, udfs and schemas."""
    return Path(__file__).resolve().parents[2]


def python_path() -> str:
    """PYTHONPATH for processes and Python workers: our packages, then this interpreter's (threaded workers do not look there)."""
    sites = [path for path in sys.path if path.endswith("site-packages")]
    return os.pathsep.join(dict.fromkeys([str(product_root()), *sites]))


def find_java() -> str:
    """Path of a `java` that is new enough.

    Raises
    ------
    MissingPart
        There is none, or it is older than 17.
    """
    mend = "install a Java 17 runtime, or set JAVA_HOME to one"
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise MissingPart(f"there is no java in JAVA_HOME={home}" if home else "there is no java", mend)
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)', told.stderr + told.stdout)
    if match is None or int(match.group(1)) < MINIMUM_JAVA:
        raise MissingPart(f"{java} is {'no Java' if match is None else 'Java ' + match.group(1)}, not Java 17", mend)
    return java


def find_jars(part: str) -> list[Path]:
    """Jars of `kafka` (the broker) or `flink` (the connector), fetched by `make setup`.

    Raises
    ------
    MissingPart
        They are not there.
    """
    folders = [product_root() / "build" / "jars" / part, Path(sys.prefix) / "share" / "anomasec" / "jars" / part]
    for folder in folders:
        jars = sorted(folder.glob("*.jar"))
        if jars:
            return jars
    raise MissingPart(f"there are no jars in {folders[0]}", "run `make setup`")


def require_disk(folder: Path) -> None:
    """Refuse to start on a nearly full disk: broker and store would stop in the middle of a write.

    Raises
    ------
    MissingPart
        Less than 2 GB is free.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_mb = shutil.disk_usage(existing).free // 2**20
    if free_mb < MINIMUM_DISK_MB:
        raise MissingPart(
            f"only {free_mb} MB are free on the disk of {folder}, {MINIMUM_DISK_MB} are needed",
            "free some, or choose another folder by --home DIR",
        )


def require_free_port(port: int, key: str, what: str) -> None:
    """Check that nothing listens on 127.0.0.1:`port`; `key` is the configuration key that moves it.

    Raises
    ------
    MissingPart
        The port is taken.
    """
    with socket.socket() as probe:
        # As servers do, so that a port in TIME_WAIT after a restart does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise MissingPart(
                f"port {port} for {what} is taken",
                f"stop what listens there, or move the stack: `anomasec up --port-base 19000` or [stack] {key} in anomasec.toml",
            ) from None


def free_ports(count: int) -> list[int]:
    """Return `count` different ports nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
