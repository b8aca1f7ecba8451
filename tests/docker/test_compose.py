"""docker/: no engine runs here, so the files are read and held against each other and against the code."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.config import StackConfig, load_config
from jobs.entry import JOBS

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
LONG_RUNNING = {"kafka", "clickhouse", "jobmanager", "taskmanager", "grafana"}
ONE_SHOT = {"init", "submit"}
TOPICS = {line.split()[0] for line in (DOCKER / "kafka" / "topics.txt").read_text().splitlines() if line.strip() and line[0] != "#"}


def test_the_services_are_those_of_the_way_of_a_log_line() -> None:
    assert set(SERVICES) == LONG_RUNNING | ONE_SHOT


@pytest.mark.parametrize(
    ("service", "image"),
    [
        ("kafka", r"apache/kafka:4\.3\.1"),
        ("clickhouse", r"clickhouse/clickhouse-server:26\.9\.\d+\.\d+"),
        ("grafana", r"grafana/grafana:13\.\d+\.\d+"),
    ],
)
def test_images_are_pinned(service: str, image: str) -> None:
    assert re.fullmatch(image, SERVICES[service]["image"])


def test_versions_agree_with_the_local_stack() -> None:
    pom = (ROOT / "pom.xml").read_text()
    assert SERVICES["kafka"]["image"].split(":")[1] in re.findall(r"<version>([^<]+)</version>", pom)
    flink = re.search(r"apache-flink==([\d.]+)", (ROOT / "requirements" / "runtime.in").read_text())
    assert flink
    assert f"FROM flink:{flink.group(1)}-java17" in DOCKERFILE
    assert f"flink-python-{flink.group(1)}.jar" in DOCKERFILE
    assert "FROM python:3.11." in DOCKERFILE


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) >= 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_a_service_that_stays_has_a_health_check_a_memory_limit_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["restart"] == "unless-stopped"


def test_init_waits_for_broker_and_store_and_submit_waits_for_init() -> None:
    assert {name: c["condition"] for name, c in SERVICES["init"]["depends_on"].items()} == {
        "kafka": "service_healthy",
        "clickhouse": "service_healthy",
    }
    assert SERVICES["submit"]["depends_on"]["init"]["condition"] == "service_completed_successfully"
    assert all(SERVICES[name]["restart"] == "no" for name in ONE_SHOT)


def test_the_cluster_has_slots_for_the_submitted_jobs() -> None:
    jobs = SERVICES["submit"]["command"][2:]
    properties = yaml.safe_load(SERVICES["taskmanager"]["environment"]["FLINK_PROPERTIES"])
    parallelism = int(SERVICES["submit"]["environment"]["ANOMASEC_FLINK_PARALLELISM"])
    assert set(jobs) <= set(JOBS)
    assert len(jobs) * parallelism <= properties["taskmanager.numberOfTaskSlots"]


def test_every_mounted_path_exists_and_every_named_volume_is_declared() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).resolve().exists(), f"{name}: {source}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {source}"


def test_data_outlives_the_containers() -> None:
    kept = {"kafka": "/var/lib/kafka/data", "clickhouse": "/var/lib/clickhouse", "taskmanager": "/data", "grafana": "/var/lib/grafana"}
    for name, path in kept.items():
        assert any(v.split(":")[1] == path and not v.startswith(".") for v in SERVICES[name]["volumes"])
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] == kept["kafka"]


@pytest.mark.parametrize("name", ["init", "submit", "taskmanager"])
def test_our_containers_hold_a_configuration_that_our_own_reader_accepts(name: str, tmp_path: Path) -> None:
    given = SERVICES[name]["environment"]
    env = {key: str(value) for key, value in given.items() if key.startswith("ANOMASEC_")}
    config = load_config(env=env | {"ANOMASEC_HOME": str(tmp_path)})
    assert config.kafka.bootstrap_servers == "kafka:19092"
    assert config.flink.checkpoint_dir.startswith("file:///data/")
    assert f"INTERNAL://{config.kafka.bootstrap_servers}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_flink_keeps_its_state_where_all_containers_see_it_and_shows_its_metrics() -> None:
    properties = yaml.safe_load(SERVICES["taskmanager"]["environment"]["FLINK_PROPERTIES"])
    assert properties["execution.checkpointing.dir"] == SERVICES["submit"]["environment"]["ANOMASEC_FLINK_CHECKPOINT_DIR"]
    assert properties["jobmanager.rpc.address"] == SERVICES["jobmanager"]["hostname"]
    assert f"127.0.0.1:{properties['metrics.reporter.prom.port']}:" in "".join(SERVICES["taskmanager"]["ports"])
    assert str(properties["metrics.reporter.prom.port"]) in SERVICES["taskmanager"]["healthcheck"]["test"][-1]
    base = yaml.safe_load((ROOT / "flink-conf" / "config.yaml").read_text())
    assert base["metrics.reporter.prom.factory.class"].endswith("PrometheusReporterFactory")
    assert not set(base) & set(properties), "a setting has one home"


def test_flinks_entry_point_reads_the_properties_as_we_mean_them() -> None:
    """It takes every line as a property, comments too, without its spaces; and a key that is the beginning of another gets lost."""
    lines = SERVICES["taskmanager"]["environment"]["FLINK_PROPERTIES"].splitlines()
    assert all(re.fullmatch(r"[\w.-]+: \S+", line) for line in lines), "no comments, no values with spaces"
    base = yaml.safe_load((ROOT / "flink-conf" / "config.yaml").read_text())
    keys = {*base, *(line.split(":")[0] for line in lines), "jobmanager.rpc.address", "blob.server.port", "query.server.port"}
    assert not [(a, b) for a in keys for b in keys if b.startswith(f"{a}.")]


def test_no_password_is_written_down_and_each_must_be_chosen() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert not re.findall(r"\$\{\w+:-", text), "no defaults for secrets"
    example = dict(line.split("=", 1) for line in (DOCKER / ".env.example").read_text().splitlines() if "=" in line)
    assert set(example) == needed
    assert not any(example.values())


def test_the_broker_makes_no_topic_by_itself() -> None:
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert {"raw", "points", "anomalies", "incidents", "dead-letters"} == TOPICS


def test_grafana_gets_its_plugin_provisioning_and_every_value_the_data_source_names() -> None:
    grafana = SERVICES["grafana"]
    assert re.fullmatch(r"grafana-clickhouse-datasource@4\.20\.\d+", grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"])
    source = (ROOT / "dashboards" / "provisioning" / "datasources" / "clickhouse.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", source)) <= set(grafana["environment"])
    mounted = {v.split(":")[1]: v.split(":")[0] for v in grafana["volumes"]}
    provider = yaml.safe_load((ROOT / "dashboards" / "provisioning" / "dashboards" / "anomasec.yaml").read_text())["providers"][0]
    folder = DOCKER / mounted[provider["options"]["path"]]
    assert list(folder.glob("*.json"))
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (folder / home.name).is_file()


def test_grafana_for_the_local_stack_is_the_same_grafana_and_asks_the_local_store() -> None:
    alone = yaml.safe_load((DOCKER / "grafana.yaml").read_text())["services"]["grafana"]
    grafana = SERVICES["grafana"]
    assert alone["image"] == grafana["image"]
    assert set(alone["volumes"]) < set(grafana["volumes"])
    here, there = alone["environment"], grafana["environment"]
    assert here["GF_PLUGINS_PREINSTALL_SYNC"] == there["GF_PLUGINS_PREINSTALL_SYNC"]
    assert {key for key in there if key.startswith("GRAFANA_")} == {key for key in here if key.startswith("GRAFANA_")}
    assert here["GF_SERVER_HTTP_ADDR"] == here["GRAFANA_CLICKHOUSE_HOST"] == "127.0.0.1"
    assert str(StackConfig().store_port) in here["GRAFANA_CLICKHOUSE_PORT"]


def test_grafanas_user_may_only_read() -> None:
    root = ET.parse(DOCKER / "clickhouse" / "grafana-user.xml").getroot()
    user = root.find("users/grafana")
    assert user is not None
    assert root.findtext("profiles/grafana/readonly") == "2"
    assert user.findtext("profile") == "grafana"
    assert [q.text for q in user.findall("grants/query")] == ["GRANT SELECT ON anomasec.*"]
    password = user.find("password")
    assert password is not None
    assert password.get("from_env") in SERVICES["clickhouse"]["environment"]


def test_what_the_image_copies_exists_and_its_working_directory_stays_empty() -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), f"COPY {source}"
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    workdir = re.findall(r"^WORKDIR (\S+)", last, re.MULTILINE)[-1]
    assert not re.search(rf"^COPY .* {workdir}/?$", last, re.MULTILINE)
    assert re.search(r"^USER flink$", last, re.MULTILINE), "does not run as root"
    assert "/opt/flink/lib/" in last


def test_the_collector_examples_send_to_the_raw_topic_and_wait_for_the_brokers_word() -> None:
    otel = yaml.safe_load((DOCKER / "collectors" / "otel-collector.yaml").read_text())
    exporters = otel["exporters"]
    assert {part["topic"] for e in exporters.values() for part in e.values() if isinstance(part, dict) and "topic" in part} == {"raw"}
    assert {e["logs"]["encoding"] for e in exporters.values()} == {"otlp_proto", "text_encoding"}
    assert all(e["producer"]["required_acks"] == -1 for e in exporters.values())
    for pipeline in otel["service"]["pipelines"].values():
        assert set(pipeline["receivers"]) <= set(otel["receivers"])
        assert set(pipeline["processors"]) <= set(otel["processors"])
        assert set(pipeline["exporters"]) <= set(exporters)
    assert set(otel["service"]["extensions"]) == set(otel["extensions"])

    fluent = yaml.safe_load((DOCKER / "collectors" / "fluent-bit.yaml").read_text())["pipeline"]
    assert fluent["outputs"][0]["topics"] == "raw"
    assert fluent["outputs"][0]["raw_log_key"] == fluent["inputs"][0]["key"]
    assert fluent["outputs"][0]["match"] == fluent["inputs"][0]["tag"]

    vector = tomllib.loads((DOCKER / "collectors" / "vector.toml").read_text())
    assert vector["sinks"]["kafka"]["topic"] == "raw"
    known = set(vector["sources"]) | set(vector["transforms"])
    assert {i for part in ("transforms", "sinks") for e in vector[part].values() for i in e["inputs"]} <= known


def test_records_of_the_collectors_fit_into_the_topic() -> None:
    raw = next(line for line in (DOCKER / "kafka" / "topics.txt").read_text().splitlines() if line.startswith("raw"))
    limit = int(re.findall(r"max\.message\.bytes=(\d+)", raw)[0])
    for name in ("otel-collector.yaml", "vector.toml"):
        sent = re.findall(r"(?:max_message_bytes|message\.max\.bytes)\D+(\d+)", (DOCKER / "collectors" / name).read_text())
        assert sent
        assert all(int(size) <= limit for size in sent)
