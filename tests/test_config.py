"""Configuration: precedence, unknown keys, types, masking, what clients are given."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.config import SECTIONS, SHADED, ClickHouseConfig, Config, KafkaConfig, load_config
from schemas.errors import ConfigError, StoreError


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Path:
    path = Path("conf") / "my.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def refused(text: str = "", **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(written(text), env)
    return str(caught.value)


def test_without_anything_the_defaults_are_the_usual_ports_on_this_machine(tmp_path: Path) -> None:
    config = load_config(env={})
    assert config.home == tmp_path / ".anomasec"
    assert config.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert config.flink.checkpoint_dir == f"file://{tmp_path}/.anomasec/checkpoints"
    assert (config.sql_dir / "..").resolve() == Path(__file__).resolve().parents[1]


def test_environment_beats_file_beats_local_stack_beats_default() -> None:
    home = Path(".anomasec")
    home.mkdir()
    local = {
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "clickhouse": {"url": "http://127.0.0.1:1"},
        "flink": {"rest_url": "http://l:1"},
    }
    (home / "stack.json").write_text(json.dumps({"config": local}))
    path = written("[kafka]\nbootstrap_servers = 'file:2'\n[clickhouse]\nurl = 'http://file:2'\n")
    config = load_config(path, {"ANOMASEC_KAFKA_BOOTSTRAP_SERVERS": "env:3"})
    assert config.kafka.bootstrap_servers == "env:3"
    assert config.clickhouse.url == "http://file:2"
    assert config.flink.rest_url == "http://l:1"
    assert config.clickhouse.database == "anomasec"
    assert [config.is_users_own(key) for key in ("kafka.bootstrap_servers", "clickhouse.url", "flink.rest_url")] == [True, True, False]


def test_the_file_is_found_by_its_name_in_the_current_folder_or_by_the_environment() -> None:
    Path("anomasec.toml").write_text("[topics]\nraw = 'here'\n")
    assert load_config(env={}).topics.raw == "here"
    assert load_config(env={"ANOMASEC_CONFIG": str(written("[topics]\nraw = 'there'\n"))}).topics.raw == "there"


def test_relative_paths_in_the_file_count_from_the_file(tmp_path: Path) -> None:
    config = load_config(written("home = 'data'\nsql_dir = '../sql'\n"), {})
    assert (config.home, config.sql_dir) == (tmp_path / "conf" / "data", tmp_path / "sql")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[kafka]\nbootstrap_server = 'x:1'", "did you mean 'kafka.bootstrap_servers'?"),
        ("[kafak]\nx = 1", "did you mean [kafka]?"),
        ("hoem = 'x'", "did you mean 'home'?"),
        ("[flink]\nparallelism = '4'", "flink.parallelism must be a whole number, not '4'"),
        ("[flink]\nparallelism = 0", "out of range; use 1 or more"),
        ("[flink]\nparallelism = true", "must be a whole number"),
        ("[flink]\ncheckpoint_interval = '10'", "'10' is no duration"),
        ("[stack]\nkafka_port = 70000", "up to 65535"),
        ("[clickhouse]\nverify = 'maybe'", "must be true or false"),
        ("[kafka]\nsecurity_protocol = 'TLS'", "use one of PLAINTEXT, SSL"),
        ("[kafka]\nsecurity_protocol = 'SASL_SSL'", "without credentials"),
        ("[kafka]\nbootstrap_servers = 'broker'", "write host:port"),
        ("[kafka]\nssl_certfile = 'a.pem'", "set both, or none"),
        ("[kafka]\nssl_cafile = 'a.pem'", "there is no file"),
        ("[clickhouse]\nurl = 'localhost:8123'", "write http://host:port"),
        ("home = 3", "must be the path of a folder"),
        ("kafka", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_mend(text: str, told: str) -> None:
    assert told in refused(text)


def test_a_misspelt_variable_is_told_with_the_nearest_name() -> None:
    assert "did you mean ANOMASEC_KAFKA_BOOTSTRAP_SERVERS?" in refused(ANOMASEC_KAFKA_BOOTSTRAP="x:1")


def test_variables_are_read_in_the_type_of_their_key() -> None:
    config = load_config(env={"ANOMASEC_STACK_SLOTS": "8", "ANOMASEC_CLICKHOUSE_VERIFY": "false", "ANOMASEC_CLICKHOUSE_PASSWORD": "12"})
    assert (config.stack.slots, config.clickhouse.verify, config.clickhouse.password) == (8, False, "12")


def test_secrets_are_in_no_text_that_is_shown() -> None:
    text = "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_username = 'u'\nsasl_password = 'geheim1'\n[clickhouse]\npassword = 'geheim2'\n"
    config = load_config(written(text), {})
    assert "geheim" not in repr(config) + str(config.describe())
    assert ("kafka.sasl_password", "********", "conf/my.toml") in config.describe()
    assert "geheim" not in refused("[clickhouse]\nurl = 'http://me:geheim@host:1'")
    assert "geheim" not in refused("[clickhouse]\npassword = ['geheim']")


def test_every_key_is_described_once() -> None:
    keys = [key for key, _, _ in load_config(env={}).describe()]
    assert len(keys) == len(set(keys)) == 2 + sum(len(fields(cls)) for cls in SECTIONS.values())


@given(st.dictionaries(st.sampled_from(["kafka_heap_mb", "slots", "store_port"]), st.integers(1024, 60_000)))
def test_what_is_set_by_file_is_what_is_set_by_environment(values: dict[str, int]) -> None:
    by_file = load_config(written("[stack]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())), {})
    by_env = load_config(written(""), {f"ANOMASEC_STACK_{key.upper()}": str(value) for key, value in values.items()})
    assert by_file == by_env
    assert {key: getattr(by_file.stack, key) for key in values} == values


def test_kafka_clients_in_python_and_java_get_the_same_credentials(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("CERT")
    config = KafkaConfig("a:1, b:2", "SASL_SSL", "SCRAM-SHA-512", 'u"x', "p\\w", str(authority))
    assert config.client_options() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": 'u"x',
        "sasl_plain_password": "p\\w",
        "ssl_cafile": str(authority),
        "ssl_certfile": None,
        "ssl_keyfile": None,
    }
    assert config.flink_properties() == {
        "bootstrap.servers": "a:1, b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": f'{SHADED}.scram.ScramLoginModule required username="u\\"x" password="p\\\\w";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "CERT",
    }


def test_a_plain_broker_needs_no_more_than_its_address() -> None:
    assert KafkaConfig("a:1").flink_properties() == {"bootstrap.servers": "a:1"}
    assert KafkaConfig("a:1").client_options() == {"bootstrap_servers": ["a:1"], "security_protocol": "PLAINTEXT"}


def test_a_store_that_does_not_answer_is_one_line_and_exit_code_3() -> None:
    with pytest.raises(StoreError, match="does not answer: Connection refused; start it with") as caught:
        ClickHouseConfig(url="http://127.0.0.1:1").client()
    assert caught.value.exit_code == 3


def test_an_unreadable_stack_file_is_told() -> None:
    Path(".anomasec").mkdir()
    Path(".anomasec/stack.json").write_text("{")
    with pytest.raises(ConfigError, match="delete it and run `anomasec up`"):
        load_config(env={})


def test_a_config_is_immutable() -> None:
    config: Config = load_config(env={})
    with pytest.raises(AttributeError):
        config.home = Path("x")  # type: ignore[misc]
