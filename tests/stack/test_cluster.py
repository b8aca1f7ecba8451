"""The laid-out Flink: libraries, settings, and what a client of somebody else's cluster gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.config import load_config
from jobs.stack import cluster
from jobs.stack.cluster import client_environment, prepare_flink, taskmanager_spec


def settings(home: Path, **env: str) -> dict[str, Any]:
    folder = prepare_flink(load_config(env=env, home=home))
    return dict(yaml.safe_load((folder / "conf" / "config.yaml").read_text()))


def test_the_library_holds_flink_python_and_the_kafka_connector_once(tmp_path: Path) -> None:
    (tmp_path / "flink" / "lib").mkdir(parents=True)
    (tmp_path / "flink" / "lib" / "flink-dist-1.0.jar").symlink_to("/nowhere")
    settings(tmp_path)
    settings(tmp_path)
    names = [jar.name for jar in (tmp_path / "flink" / "lib").iterdir()]
    for prefix in ("flink-python-", "flink-sql-connector-kafka-", "flink-dist-"):
        assert sum(name.startswith(prefix) for name in names) == 1, prefix
    assert all(jar.exists() for jar in (tmp_path / "flink" / "lib").iterdir())


def test_state_is_kept_and_restarts_are_bounded(tmp_path: Path) -> None:
    found = settings(tmp_path, ANOMASEC_FLINK_CHECKPOINT_INTERVAL="7 s")
    assert found["execution.checkpointing.dir"] == (tmp_path / "checkpoints").as_uri()
    assert found["execution.checkpointing.interval"] == "7 s"
    assert found["restart-strategy.type"] == "exponential-delay"
    assert 0 < found["restart-strategy.exponential-delay.attempts-before-reset-backoff"] < 100


def test_the_parts_of_the_taskmanagers_memory_add_up_to_what_was_asked_for(tmp_path: Path) -> None:
    found = settings(tmp_path, ANOMASEC_STACK_TASKMANAGER_MB="2000")
    parts = [
        value for key, value in found.items() if key.startswith("taskmanager.memory.") and key.endswith((".size", ".max", "overhead.max"))
    ]
    assert sum(int(str(part).removesuffix("m")) for part in parts) == 2000


def test_everything_listens_on_this_machine_only(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert {found[key] for key in ("rest.bind-address", "jobmanager.bind-host", "taskmanager.bind-host")} == {"127.0.0.1"}


def test_on_somebody_elses_cluster_only_the_address_is_ours_to_say(tmp_path: Path) -> None:
    found = settings(tmp_path, ANOMASEC_FLINK_REST_URL="https://flink.example:8443")
    assert (found["rest.address"], found["rest.port"], found["security.ssl.rest.enabled"]) == ("flink.example", 8443, True)
    assert "python.executable" not in found


def test_each_start_of_the_taskmanager_has_a_name_of_its_own(tmp_path: Path) -> None:
    config = load_config(env={}, home=tmp_path)
    prepare_flink(config)
    one, other = taskmanager_spec(config), taskmanager_spec(config)
    assert one.label != other.label
    assert f"taskmanager.resource-id={one.label}" in one.command


def test_workers_find_our_packages_and_those_of_this_interpreter(tmp_path: Path) -> None:
    path = client_environment(load_config(env={}, home=tmp_path))["PYTHONPATH"].split(":")
    assert (Path(path[0]) / "jobs" / "stack" / "cluster.py").samefile(cluster.__file__)
    assert any(entry.endswith("site-packages") for entry in path[1:])


def test_a_taskmanager_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    config = load_config(env={"ANOMASEC_FLINK_REST_URL": "http://127.0.0.1:1"}, home=tmp_path)
    assert not cluster.taskmanager_answers(config, "x")
    assert not cluster.jobmanager_answers(config)


@pytest.mark.parametrize("name", ["log4j.properties", "log4j-cli.properties"])
def test_logging_goes_to_files(tmp_path: Path, name: str) -> None:
    folder = prepare_flink(load_config(env={}, home=tmp_path))
    assert "${sys:log.file}" in (folder / "conf" / name).read_text()
