"""Application logs whose keys mean something else than elsewhere, or that are worth a name of their own.

ECS: https://www.elastic.co/guide/en/ecs/current/. pino: https://getpino.io/#/docs/api (levels 10..60). bunyan:
https://github.com/trentm/node-bunyan#core-fields (`name` is the service). Logstash encoders:
https://github.com/logfellow/logstash-logback-encoder. Log4j2 layouts: https://logging.apache.org/log4j/2.x/manual/json-template-layout.html
and JsonLayout (`instant`, `contextMap`). Serilog: https://github.com/serilog/serilog-formatting-compact (`@t`, `@mt`, `@l`; no level =
Information) and its JsonFormatter (`Properties`). GELF: https://go2docs.graylog.org/current/getting_in_log_data/gelf.html (own fields
start with '_', `level` is syslog's). zap: https://pkg.go.dev/go.uber.org/zap (durations in s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.dialect import Dialect
from udfs.formats.parsed import Parsed
from udfs.formats.plain_json import LOOSE, PLAIN_JSON
from udfs.formats.values.times import TIMESTAMP

__all__ = ["APP_DIALECTS"]

_NODE_LEVELS = {"10": "TRACE", "20": "DEBUG", "30": "INFO", "40": "WARN", "50": "ERROR", "60": "FATAL"}
_SYSLOG_LEVELS = {
    "0": "EMERGENCY", "1": "ALERT", "2": "CRITICAL", "3": "ERROR", "4": "WARNING", "5": "NOTICE", "6": "INFORMATIONAL", "7": "DEBUG",
}  # fmt: skip


def _name_levels(parsed: Parsed, levels: Mapping[str, str]) -> None:
    """Numbers of severities become their names."""
    texts = parsed.columns.get("severity_text")
    if texts is None:
        return
    found = pc.take(pa.array(list(levels.values())), pc.index_in(texts, pa.array(list(levels))))
    parsed.columns["severity_text"] = pc.coalesce(found, texts)


def _finish_node(parsed: Parsed, _: Mapping[str, Sequence[Any]]) -> None:
    _name_levels(parsed, _NODE_LEVELS)


def _finish_gelf(parsed: Parsed, _: Mapping[str, Sequence[Any]]) -> None:
    _name_levels(parsed, _SYSLOG_LEVELS)


def _finish_log4j(parsed: Parsed, private: Mapping[str, Sequence[Any]]) -> None:
    """`instant` is a second and its nanoseconds."""
    nanos = private.get("_nanos")
    if nanos is None or "timestamp" not in parsed.columns:
        return
    whole = np.fromiter((n if isinstance(n, int) and 0 <= n < 10**9 else 0 for n in nanos), np.int64, len(nanos))
    moment = pc.add(parsed.columns["timestamp"].cast(pa.int64()), pa.array(whole // 1000))
    parsed.columns["timestamp"] = moment.cast(TIMESTAMP)


def _finish_serilog(parsed: Parsed, _: Mapping[str, Sequence[Any]]) -> None:
    columns = parsed.columns
    given = columns.get("severity_text", pa.nulls(len(parsed.line), pa.string()))
    columns["severity_text"] = pc.fill_null(given, "Information")


_SECONDS = dict.fromkeys(("latency", "duration", "elapsed", "took", "response_time"), "duration_s")
_PROPERTIES = {f"Properties.{key}": target for key, target in PLAIN_JSON.keys.items()}

APP_DIALECTS = (
    Dialect("ecs", (frozenset({"@timestamp", "ecs"}), frozenset({"@timestamp", "ecs.version"})), PLAIN_JSON.keys, loose=LOOSE),
    Dialect(
        "bunyan", (frozenset({"name", "hostname", "level", "v"}),), {"name": "service_name", **PLAIN_JSON.keys}, loose=LOOSE,
        finish=_finish_node,
    ),
    Dialect(
        "pino",
        (
            frozenset({"level", "time", "pid", "hostname"}),
            frozenset({"level", "time", "req", "res"}),
            frozenset({"level", "time", "reqId"}),
        ),
        PLAIN_JSON.keys,
        loose=LOOSE,
        finish=_finish_node,
    ),
    Dialect("logstash", (frozenset({"@timestamp", "@version"}),), PLAIN_JSON.keys, loose=LOOSE),
    Dialect(
        "log4j2",
        (frozenset({"instant", "loggerName"}), frozenset({"instant", "level"}), frozenset({"timeMillis", "loggerName"})),
        {"instant.epochSecond": "timestamp", "instant.nanoOfSecond": "_nanos", **PLAIN_JSON.keys},
        loose=LOOSE,
        finish=_finish_log4j,
    ),
    Dialect(
        "serilog",
        (frozenset({"@t"}), frozenset({"MessageTemplate", "Timestamp"})),
        {**PLAIN_JSON.keys, **_PROPERTIES},
        loose=LOOSE | {f"Properties.{key}" for key in LOOSE},
        finish=_finish_serilog,
    ),
    Dialect(
        "gelf",
        (frozenset({"version", "host", "short_message"}),),
        {"host": "k8s_pod_name", "short_message": "body", **{k: t for k, t in PLAIN_JSON.keys.items() if k != "host"}},
        loose=LOOSE,
        finish=_finish_gelf,
    ),
    Dialect("zap", (frozenset({"ts", "caller", "msg"}),), {**PLAIN_JSON.keys, **_SECONDS}, loose=LOOSE),
)  # fmt: skip
