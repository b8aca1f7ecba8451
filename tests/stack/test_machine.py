"""What the machine lacks is told in one line with its mend."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from jobs.stack import machine
from schemas.errors import MissingPart


def fake_java(folder: Path, told: str) -> None:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java.chmod(0o755)


def test_no_java_at_all_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match="there is no java; install a Java 17 runtime"):
        machine.find_java()


@pytest.mark.parametrize(("told", "what"), [('openjdk version "11.0.2"', "is Java 11, not Java 17"), ("hello", "is no Java")])
def test_a_java_that_is_too_old_or_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str, what: str) -> None:
    fake_java(tmp_path, told)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingPart, match=what):
        machine.find_java()


def test_java_home_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_java(tmp_path, 'openjdk version "21"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert machine.find_java() == str(tmp_path / "bin" / "java")


def test_a_taken_port_is_named_with_the_option_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MissingPart, match=rf"port {port} for kafka is taken; .*--port-base.*\[stack\] kafka_port"):
            machine.require_free_port(port, "kafka_port", "kafka")


def test_free_ports_are_different_and_free() -> None:
    ports = machine.free_ports(7)
    assert len(set(ports)) == 7
    for port in ports:
        machine.require_free_port(port, "kafka_port", "kafka")


def test_a_nearly_full_disk_is_told_before_the_folder_exists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine.require_disk(tmp_path / "not" / "yet")
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=100 * 2**20))
    with pytest.raises(MissingPart, match=r"only 100 MB are free .*--home"):
        machine.require_disk(tmp_path / "not" / "yet")


def test_missing_jars_are_told_with_the_command_that_fetches_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "product_root", lambda: tmp_path)
    with pytest.raises(MissingPart, match="run `make setup`"):
        machine.find_jars("kafka")
