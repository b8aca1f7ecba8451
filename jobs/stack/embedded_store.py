"""The local store: ClickHouse in process (chDB) behind ClickHouse's HTTP protocol, as a process of the stack."""

from __future__ import annotations

import sys

import requests

from jobs.config import Config
from jobs.stack.machine import python_path
from jobs.stack.process import ProcessSpec

__all__ = ["store_answers", "store_spec"]


def store_spec(config: Config) -> ProcessSpec:
    """Say how the store is started."""
    port = config.stack.store_port
    return ProcessSpec(
        name="store",
        command=(sys.executable, "-m", "jobs.stack.store", "--path", str(config.home / "store"), "--port", str(port)),
        address=f"http://127.0.0.1:{port}",
        ports={"store_port": port},
        environment={"PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1"},
        stop_wait_s=30,
    )


def store_answers(config: Config) -> bool:
    """Whether the store answers ClickHouse's ping."""
    try:
        return requests.get(f"{config.clickhouse.url}/ping", timeout=2, verify=config.clickhouse.verify).ok
    except requests.RequestException:
        return False
