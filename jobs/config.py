"""Configuration: addresses, TLS, SASL, credentials and folders, from one TOML file, the environment, or the local stack.

Precedence, per key: environment (`ANOMASEC_KAFKA_BOOTSTRAP_SERVERS`) > file (`[kafka] bootstrap_servers`) > what `anomasec up`
wrote to `<home>/stack.json` > default. Nothing is read at import.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobs.knobs import parse_duration_ms
from schemas.errors import ConfigError, StoreError

__all__ = ["ClickHouseConfig", "Config", "FlinkConfig", "KafkaConfig", "StackConfig", "TopicsConfig", "load_config"]

SHADED = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"  # the SQL connector relocates Kafka's classes
SHARE = "share/anomasec"  # where an installed wheel keeps sql/ and flink-conf/
MASK = "********"


def _choice(default: str, *choices: str) -> Any:
    return field(default=default, metadata={"choices": (default, *choices)})


def _secret() -> Any:
    return field(default="", repr=False, metadata={"secret": True})


def _duration(default: str) -> Any:
    return field(default=default, metadata={"duration": True})


def _path() -> Any:
    return field(default="", metadata={"path": True})


@dataclass(frozen=True)
class KafkaConfig:
    """How to reach the broker. Files are PEM."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """host:port, several separated by commas."""
    security_protocol: str = _choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    sasl_mechanism: str = _choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    sasl_username: str = ""
    sasl_password: str = _secret()
    ssl_cafile: str = _path()
    """Certificates to trust; empty = the system's."""
    ssl_certfile: str = _path()
    """Client certificate chain, for mutual TLS."""
    ssl_keyfile: str = _path()
    """Its private key, PKCS#8, without a password."""

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments of any kafka-python client."""
        options: dict[str, Any] = {
            "bootstrap_servers": [part.strip() for part in self.bootstrap_servers.split(",")],
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        if self.security_protocol.endswith("SSL"):
            options |= {name: getattr(self, name) or None for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
        return options

    def flink_properties(self) -> dict[str, str]:
        """Kafka client properties for Flink's connector, without the `properties.` prefix of its table options.

        Raises
        ------
        ConfigError
            A certificate or key file cannot be read.
        """
        properties = {"bootstrap.servers": self.bootstrap_servers}
        if self.security_protocol == "PLAINTEXT":
            return properties
        properties["security.protocol"] = self.security_protocol
        if self.security_protocol.startswith("SASL"):
            module = "plain.PlainLoginModule" if self.sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
            user, password = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (self.sasl_username, self.sasl_password))
            properties["sasl.mechanism"] = self.sasl_mechanism
            properties["sasl.jaas.config"] = f'{SHADED}.{module} required username="{user}" password="{password}";'
        if self.security_protocol.endswith("SSL"):
            # Contents, not paths: workers on other machines do not have the files.
            if self.ssl_cafile:
                properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _read(self.ssl_cafile, "kafka.ssl_cafile")}
            if self.ssl_certfile:
                properties |= {
                    "ssl.keystore.type": "PEM",
                    "ssl.keystore.certificate.chain": _read(self.ssl_certfile, "kafka.ssl_certfile"),
                    "ssl.keystore.key": _read(self.ssl_keyfile, "kafka.ssl_keyfile"),
                }
        return properties


@dataclass(frozen=True)
class ClickHouseConfig:
    """How to reach ClickHouse's HTTP interface."""

    url: str = "http://127.0.0.1:8123"
    user: str = "default"
    password: str = _secret()
    database: str = "anomasec"
    ca_file: str = _path()
    """Certificates to trust (PEM); empty = the system's."""
    verify: bool = True
    """Whether the server's certificate must be valid."""

    def client(self, **options: Any) -> Any:
        """Open a clickhouse-connect client; `options` override its arguments (`database=` before the tables exist).

        Raises
        ------
        StoreError
            Nothing answers, or the credentials are refused.
        """
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import Error

        logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # errors are raised and told once
        parts = urlsplit(self.url)
        arguments: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or (8443 if parts.scheme == "https" else 8123),
            "secure": parts.scheme == "https",
            "username": self.user,
            "password": self.password,
            "database": self.database,
            "verify": self.verify,
            "ca_cert": self.ca_file or None,
            "autogenerate_session_id": False,  # a session would allow only one query at a time
        }
        try:
            return clickhouse_connect.get_client(**(arguments | options))
        except Error as error:
            detail = " ".join(str(error).split())
            plain = re.search(r"Connection refused|Name or service not known|timed out|certificate verify failed: [^(]*", detail)
            mend = "start it with `anomasec up`, or set [clickhouse] url, user and password"
            raise StoreError(f"ClickHouse at {self.url} does not answer: {plain.group() if plain else detail[:300]}", mend) from error


@dataclass(frozen=True)
class FlinkConfig:
    """The cluster jobs are submitted to, and where it keeps its state."""

    rest_url: str = "http://127.0.0.1:8081"
    parallelism: int = field(default=1, metadata={"min": 1})
    checkpoint_dir: str = ""
    """URI reachable from every TaskManager; empty = `checkpoints` in home."""
    savepoint_dir: str = ""
    """Likewise; empty = `savepoints` in home."""
    checkpoint_interval: str = _duration("10 s")
    """As Flink writes it: `10 s`, `1 min`."""


@dataclass(frozen=True)
class TopicsConfig:
    """Names of the topics."""

    raw: str = "raw"
    points: str = "points"
    anomalies: str = "anomalies"
    incidents: str = "incidents"
    dead_letters: str = "dead-letters"


@dataclass(frozen=True)
class PrivacyConfig:
    """What keeps callers' ids from being read."""

    pseudonym_key: str = _secret()
    """Key of the hashes that replace ids (knob anomasec.normalise.pseudonyms); a new key gives all callers new names."""


@dataclass(frozen=True)
class StackConfig:
    """The local stack that `anomasec up` starts. All ports are on 127.0.0.1."""

    kafka_port: int = field(default=9092, metadata={"min": 1, "max": 65535})
    controller_port: int = field(default=9093, metadata={"min": 1, "max": 65535})
    """Kafka's own controller."""
    store_port: int = field(default=8123, metadata={"min": 1, "max": 65535})
    flink_port: int = field(default=8081, metadata={"min": 1, "max": 65535})
    """Web UI and REST."""
    jobmanager_port: int = field(default=6123, metadata={"min": 1, "max": 65535})
    jobmanager_metrics_port: int = field(default=9249, metadata={"min": 1, "max": 65535})
    """Prometheus."""
    taskmanager_metrics_port: int = field(default=9250, metadata={"min": 1, "max": 65535})
    """Prometheus."""
    kafka_heap_mb: int = field(default=768, metadata={"min": 256})
    jobmanager_mb: int = field(default=1024, metadata={"min": 768})
    """Whole process."""
    taskmanager_mb: int = field(default=2816, metadata={"min": 1536})
    """JVM; the Python workers come on top."""
    slots: int = field(default=4, metadata={"min": 1})


SECTIONS: dict[str, type] = {
    "kafka": KafkaConfig,
    "clickhouse": ClickHouseConfig,
    "flink": FlinkConfig,
    "topics": TopicsConfig,
    "privacy": PrivacyConfig,
    "stack": StackConfig,
}
FREE_VARIABLES = ("ANOMASEC_CONFIG", "ANOMASEC_TEST_", "ANOMASEC_DEBUG")


@dataclass(frozen=True)
class Config:
    """Everything a job or command needs to know about the world around it."""

    home: Path
    """Folder of the local stack, its logs and data."""
    kafka: KafkaConfig
    clickhouse: ClickHouseConfig
    flink: FlinkConfig
    topics: TopicsConfig
    sql_dir: Path
    """Folder with `flink/` and `clickhouse/`."""
    stack: StackConfig = field(default_factory=StackConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """`section.key` -> where its value came from, for keys that are not defaults."""

    def is_users_own(self, key: str) -> bool:
        """Whether the user set `section.key` (in the file or the environment), as opposed to the local stack or a default."""
        return self.origins.get(key, "default") not in ("default", "local stack")

    def describe(self) -> list[tuple[str, str, str]]:
        """(key, value, origin) of every key, secrets masked."""
        rows = [("home", str(self.home)), ("sql_dir", str(self.sql_dir))]
        for section in SECTIONS:
            part = getattr(self, section)
            for f in fields(part):
                value = getattr(part, f.name)
                rows.append((f"{section}.{f.name}", MASK if value and f.metadata.get("secret") else str(value)))
        return [(key, value, self.origins.get(key, "default")) for key, value in rows]


def load_config(path: Path | None = None, env: Mapping[str, str] | None = None, home: Path | None = None) -> Config:
    """Build the configuration.

    `path` is the file; without it `$ANOMASEC_CONFIG`, else `anomasec.toml` in the current directory if there is one.
    Relative paths in the file count from the file's folder, those in the environment from the current directory.

    Raises
    ------
    ConfigError
        Unknown key (names the nearest), bad value, or unreadable file.
    """
    env = os.environ if env is None else env
    tree, file = _read_file(path, env)
    base = file.parent.resolve() if file else Path.cwd()
    given: dict[str, tuple[Any, str, Path]] = {}
    for key, value in _flatten(tree, str(file)):
        given[key] = (value, str(file), base)
    for key, value, variable in _from_env(env):
        given[key] = (value, f"${variable}", Path.cwd())

    origins = {key: origin for key, (_, origin, _) in given.items()}
    folders = {key: _folder(key, *given[key]) for key in ("home", "sql_dir") if key in given}
    home_dir = home.expanduser().resolve() if home else folders.get("home", Path.cwd() / ".anomasec")
    for key, value in _flatten(_read_stack(home_dir), "local stack"):
        if key not in given:
            given[key] = (value, "local stack", home_dir)
            origins[key] = "local stack"

    parts: dict[str, Any] = {}
    for section, cls in SECTIONS.items():
        values = {f.name: _check(f, section, *given[f"{section}.{f.name}"]) for f in fields(cls) if f"{section}.{f.name}" in given}
        parts[section] = cls(**values)
    config = Config(home=home_dir, sql_dir=folders.get("sql_dir", data_folder("sql")), origins=origins, **parts)
    flink = config.flink
    flink = replace(
        flink,
        checkpoint_dir=flink.checkpoint_dir or (home_dir / "checkpoints").as_uri(),
        savepoint_dir=flink.savepoint_dir or (home_dir / "savepoints").as_uri(),
    )
    return _consistent(replace(config, flink=flink))


def data_folder(name: str) -> Path:
    """Folder `sql` or `flink-conf`: beside the `jobs` package in a clone or product zip, else where the wheel installed it."""
    import sys

    beside = Path(__file__).resolve().parent.parent / name
    return beside if beside.is_dir() else Path(sys.prefix) / SHARE / name


def _read_file(path: Path | None, env: Mapping[str, str]) -> tuple[dict[str, Any], Path | None]:
    if path is None and env.get("ANOMASEC_CONFIG"):
        path = Path(env["ANOMASEC_CONFIG"]).expanduser()
    if path is None:
        path = Path("anomasec.toml")
        if not path.is_file():
            return {}, None
    try:
        return tomllib.loads(path.read_text()), path
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "name an existing file by --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "write [section] and key = value lines, texts in quotes") from None


def _read_stack(home: Path) -> dict[str, Any]:
    """The addresses of the local stack, {} before the first `anomasec up`."""
    try:
        described = json.loads((home / "stack.json").read_text())
        return dict(described["config"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read {home / 'stack.json'}: {error}", "delete it and run `anomasec up`") from None


def _known() -> list[str]:
    return ["home", "sql_dir", *(f"{section}.{f.name}" for section, cls in SECTIONS.items() for f in fields(cls))]


def _flatten(tree: Mapping[str, Any], origin: str) -> list[tuple[str, Any]]:
    known = _known()
    rows: list[tuple[str, Any]] = []
    for name, value in tree.items():
        rows += [(f"{name}.{inner}", v) for inner, v in value.items()] if isinstance(value, dict) else [(name, value)]
        if isinstance(value, dict) and name not in SECTIONS:
            raise ConfigError(f"{origin}: unknown section [{name}]", _nearest(name, list(SECTIONS), "[{}]"))
    for key, _ in rows:
        if key not in known:
            raise ConfigError(f"{origin}: unknown key '{key}'", _nearest(key, known, "'{}'"))
    return rows


def _from_env(env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    variables = {"ANOMASEC_" + key.replace(".", "_").upper(): key for key in _known()}
    rows = []
    for variable, value in env.items():
        if variable in variables:
            rows.append((variables[variable], value, variable))
        elif variable.startswith("ANOMASEC_") and not variable.startswith(FREE_VARIABLES):
            raise ConfigError(f"unknown environment variable {variable}", _nearest(variable, list(variables), "{}"))
    return rows


def _nearest(word: str, known: list[str], form: str) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f"did you mean {form.format(near[0])}?" if near else f"known: {', '.join(known)}"


def _folder(key: str, value: Any, origin: str, base: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{origin}: {key} must be the path of a folder", f"write {key} = 'path'")
    return (base / Path(value).expanduser()).resolve()


def _check(f: Field[Any], section: str, value: Any, origin: str, base: Path) -> Any:
    """The value in the field's type; environment values are texts and are read as that type."""
    key = f"{section}.{f.name}"
    default: Any = f.default
    kind: type = type(default)
    if isinstance(value, str) and kind is not str and origin.startswith("$"):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if kind is bool:
            value = words.get(value.strip().lower(), value)
        elif value.strip().lstrip("-").isdigit():
            value = int(value)
    if type(value) is not kind:
        kinds = {str: "a text", int: "a whole number", bool: "true or false"}
        shown = MASK if f.metadata.get("secret") else repr(value)
        raise ConfigError(f"{origin}: {key} must be {kinds[kind]}, not {shown}", f"the default is {default!r}")
    low, high = f.metadata.get("min"), f.metadata.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        raise ConfigError(f"{origin}: {key} = {value} is out of range", f"use {low} or more" + (f", up to {high}" if high else ""))
    choices = f.metadata.get("choices")
    if choices and value not in choices:
        raise ConfigError(f"{origin}: {key} = {value!r} is not known", f"use one of {', '.join(choices)}")
    if f.metadata.get("duration"):
        try:
            parse_duration_ms(str(value))
        except ValueError as error:
            raise ConfigError(f"{origin}: {key}: {error}") from None
    if f.metadata.get("path") and value:
        return str((base / Path(str(value)).expanduser()).resolve())
    return value


def _consistent(config: Config) -> Config:
    """Rules over several keys and the shape of addresses."""
    for key, url in (("clickhouse.url", config.clickhouse.url), ("flink.rest_url", config.flink.rest_url)):
        parts = urlsplit(url)
        if "@" in url:
            raise ConfigError(f"{key} holds credentials", "put them into user and password, which are never shown")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{key} = {url!r} is no address", "write http://host:port or https://host:port")
    for server in config.kafka.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit() or "/" in host:
            raise ConfigError(
                f"kafka.bootstrap_servers = {config.kafka.bootstrap_servers!r} is no list of addresses", "write host:port,host:port"
            )
    if config.kafka.security_protocol.startswith("SASL") and not (config.kafka.sasl_username and config.kafka.sasl_password):
        raise ConfigError(
            f"kafka.security_protocol = {config.kafka.security_protocol} without credentials",
            "set kafka.sasl_username and kafka.sasl_password, or ANOMASEC_KAFKA_SASL_PASSWORD",
        )
    if bool(config.kafka.ssl_certfile) != bool(config.kafka.ssl_keyfile):
        raise ConfigError("kafka.ssl_certfile and kafka.ssl_keyfile go together", "set both, or none")
    for key, path in (
        ("kafka.ssl_cafile", config.kafka.ssl_cafile),
        ("kafka.ssl_certfile", config.kafka.ssl_certfile),
        ("kafka.ssl_keyfile", config.kafka.ssl_keyfile),
        ("clickhouse.ca_file", config.clickhouse.ca_file),
    ):
        if path and not Path(path).is_file():
            raise ConfigError(f"{key}: there is no file {path}", "correct the path")
    return config


def _read(path: str, key: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path}: {error.strerror}", "correct the path or its permissions") from None
