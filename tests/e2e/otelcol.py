"""The OpenTelemetry Collector that `make collector` builds, as a process of a test."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

__all__ = ["BINARY", "certificate", "https_door", "running_collector"]

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "build" / "collector" / "otelcol"
_START_S = 60.0


def https_door(encoding: str, broker: str, topic: str, port: int, tls: tuple[Path, Path]) -> dict[str, Any]:
    """The example docker/collectors/otel-http-intake.yaml with addresses of the test's own and one encoding; all else as it is."""
    settings: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "collectors" / "otel-http-intake.yaml").read_text())
    protocols = settings["receivers"]["otlp"]["protocols"]
    del protocols["grpc"]
    protocols["http"]["endpoint"] = f"127.0.0.1:{port}"
    protocols["http"]["tls"] |= {"cert_file": str(tls[0]), "key_file": str(tls[1])}
    exporter = settings["exporters"]["kafka"]
    exporter["brokers"] = [broker]
    for signal in ("traces", "metrics", "logs"):
        exporter[signal] = {"topic": topic, "encoding": encoding}
    return without_own_metrics(settings)


def without_own_metrics(settings: dict[str, Any]) -> dict[str, Any]:
    """No port 8888 for its own metrics: two of them would meet there."""
    settings["service"]["telemetry"] = {"metrics": {"level": "none"}}
    return settings


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    cert, key = folder / "server.crt", folder / "server.key"
    asked = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    asked += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", "-x509", *asked], check=True, capture_output=True)
    return cert, key


@contextmanager
def running_collector(
    settings: Mapping[str, Any], folder: Path, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Start it, wait until its port (if it has one) answers; yields its pid. What it was still holding is sent before it ends.

    Raises
    ------
    RuntimeError
        It ended or did not answer; with the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "otelcol.yaml", folder / "otelcol.log"
    config.write_text(yaml.safe_dump(dict(settings)))
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BINARY), "--config", str(config)], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
    try:
        deadline = time.monotonic() + _START_S
        while not (_answers(port) if port else b"Everything is ready" in log.read_bytes()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the collector does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
