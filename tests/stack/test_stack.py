"""The stack as a whole: rules without starting anything, then one real life from up to down."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest
import requests

from jobs.cli.main import main
from jobs.config import load_config
from jobs.stack.preflight import check_connections, check_flink, check_kafka, check_store
from jobs.stack.stack import PORT_KEYS, Stack
from jobs.stack.topics import topic_states
from schemas.errors import AnomasecError, ConfigError, MissingPart


def test_a_part_the_user_runs_is_not_started_and_is_shown_as_his(tmp_path: Path) -> None:
    config = load_config(env={"ANOMASEC_KAFKA_BOOTSTRAP_SERVERS": "mine:9092"}, home=tmp_path)
    stack = Stack(tmp_path, config=config)
    assert [(state.name, state.state) for state in stack.status()][0] == ("kafka", "yours")
    assert stack.config().kafka.bootstrap_servers == "mine:9092"
    with pytest.raises(ConfigError, match=r"kafka.bootstrap_servers is set by \$ANOMASEC_KAFKA_BOOTSTRAP_SERVERS"):
        stack.up(only=["kafka"])


def test_an_unknown_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no part 'kafak'; use kafka, store, flink"):
        Stack(tmp_path).up(only=["kafak"])


def test_ports_are_consecutive_from_a_base_or_free(tmp_path: Path) -> None:
    based = Stack(tmp_path, ports=30_000).config().stack
    assert [getattr(based, key) for key in PORT_KEYS] == list(range(30_000, 30_007))
    free = Stack(tmp_path, ports="auto").config()
    assert len({getattr(free.stack, key) for key in PORT_KEYS}) == len(PORT_KEYS)
    assert free.clickhouse.url == f"http://127.0.0.1:{free.stack.store_port}"


def test_a_taken_port_is_told_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stack = Stack(tmp_path, ports="auto", store_port=taken.getsockname()[1])
        try:
            with pytest.raises(MissingPart, match="for store is taken"):
                stack.up()
            assert {state.state for state in stack.status()} == {"down"}
        finally:
            stack.down()


def test_down_where_nothing_runs_is_harmless(tmp_path: Path) -> None:
    assert Stack(tmp_path, ports="auto").down() == []


@pytest.mark.e2e
def test_a_life_of_the_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("ANOMASEC_HOME", str(home))
    stack = Stack(home, ports="auto", taskmanager_mb=1792, kafka_heap_mb=320)
    try:
        stack.up()
        assert {state.state for state in stack.status()} == {"up"}

        # Other programs find it by its folder alone, and a job could start.
        config = load_config(env={}, home=home)
        assert (config.kafka, config.clickhouse, config.flink) == (stack.config().kafka, stack.config().clickhouse, stack.config().flink)
        check_connections(config, slots=4)
        assert {state.timestamp_type for state in topic_states(config)} == {"LogAppendTime"}

        # `up` again starts nothing; moving the ports of a running stack is refused.
        pids = [state.pid for state in stack.status()]
        assert main(["up"]) == 0
        assert [state.pid for state in Stack(home).status()] == pids
        assert main(["up", "--port-base", "30000"]) == 2
        assert "already run on other ports; run `anomasec down` first" in capsys.readouterr().err

        # Every metric of both Flink processes can be scraped.
        for port in (config.stack.jobmanager_metrics_port, config.stack.taskmanager_metrics_port):
            assert "flink_" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text

        # A killed part is seen, started again by `up`, and kept its data.
        client = config.clickhouse.client(database="default")
        client.command("CREATE TABLE kept (x UInt8) ENGINE = MergeTree ORDER BY x")
        client.command("INSERT INTO kept VALUES (7)")
        for name in ("store", "taskmanager"):
            stack.kill(name)
        assert main(["status"]) == 1
        stack.up()
        assert client.query("SELECT x FROM kept").result_set == [(7,)]
        check_flink(config, slots=4)

        # `down` ends all of it, also what another program started, and nothing is left.
        pids = [state.pid for state in stack.status()]
        assert main(["down"]) == 0
        assert main(["status"]) == 1
        assert {state.state for state in stack.status()} == {"down"}
        for pid in pids:
            assert pid is not None
            with pytest.raises(ProcessLookupError):
                os.killpg(pid, signal.SIGCONT)
        for check in (check_kafka, check_store, check_flink):
            with pytest.raises(AnomasecError, match="does not answer: Connection refused|does not answer; start it") as caught:
                check(config)
            assert caught.value.exit_code == 3
        assert json.loads((home / "stack.json").read_text())["config"]["stack"]["taskmanager_mb"] == 1792
    finally:
        Stack(home).down()
