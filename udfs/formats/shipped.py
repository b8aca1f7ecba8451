r"""Lines of text within JSON objects, as Docker and the log shippers write them.

https://docs.docker.com/engine/logging/drivers/json-file/ (`{"log": "..\n", "stream": .., "time": ..}`),
https://docs.fluentbit.io/manual/pipeline/filters/kubernetes (`log` or `message` beside `kubernetes`),
https://www.elastic.co/docs/reference/beats/filebeat/exported-fields (`message` beside `agent`, `input`, `log.file`),
https://vector.dev/docs/reference/configuration/sources/kubernetes_logs/ (`message` beside `source_type`, `kubernetes`),
and https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry (`textPayload` beside `resource.labels`).

Only a line within that is an access line (or JSON) is taken out; any other object stays what it is: a log record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.text_envelopes import Wrapped
from udfs.formats.values.times import read_times

__all__ = ["is_shipped", "unwrap_shipped", "without_line_end"]

_MARKS = frozenset(
    {"stream", "kubernetes", "container_id", "container_name", "source_type", "input", "agent", "fluent", "file", "logtag", "container"}
)
_LINES = ("log", "textPayload", "message")
_OWN = frozenset({"http", "url", "method", "status", "request", "http_method", "status_code", "resourceSpans"})
_TIMES = ("time", "@timestamp", "timestamp", "date")
_TEXT_COLUMNS = {
    "k8s_pod_name": (
        ("kubernetes", "pod_name"),
        ("kubernetes", "pod", "name"),
        ("kubernetes", "pod_id"),
        ("pod_name",),
        ("resource", "labels", "pod_name"),
    ),
    "service_name": (
        ("kubernetes", "labels", "app.kubernetes.io/name"),
        ("kubernetes", "labels", "app_kubernetes_io/name"),
        ("kubernetes", "pod_labels", "app.kubernetes.io/name"),
        ("kubernetes", "labels", "app"),
        ("kubernetes", "pod_labels", "app"),
        ("kubernetes", "container_name"),
        ("kubernetes", "container", "name"),
        ("service", "name"),
        ("resource", "labels", "container_name"),
        ("resource", "labels", "service_name"),
    ),
    "k8s_namespace_name": (
        ("kubernetes", "namespace_name"),
        ("kubernetes", "pod_namespace"),
        ("kubernetes", "namespace"),
        ("namespace_name",),
        ("resource", "labels", "namespace_name"),
    ),
    "host_name": (("kubernetes", "host"), ("kubernetes", "node", "name"), ("host", "name"), ("hostname",)),
}


def is_shipped(value: dict[str, Any]) -> bool:
    """Whether an object is a line of text with notes of a shipper, and tells of no request itself."""
    # Filebeat notes the file as an object `log` beside the `message`.
    is_line = type(value.get("log")) is str or type(value.get("message")) is str
    if type(value.get("textPayload")) is str:
        return "logName" in value and "httpRequest" not in value
    return is_line and not _MARKS.isdisjoint(value) and _OWN.isdisjoint(value)


def unwrap_shipped(values: Sequence[dict[str, Any]]) -> Wrapped:
    """The lines within, with what the shipper notes. Cost: 3 us an object, most of it for Kubernetes' metadata."""
    lines = [next(line for key in _LINES if type(line := value.get(key)) is str) for value in values]
    n = len(values)
    texts = pa.array([line[:-1] if line.endswith("\n") else line for line in lines], pa.string())
    columns: dict[str, pa.Array] = {}
    times, bad = read_times([_first(value, ((name,) for name in _TIMES)) for value in values])
    columns["timestamp"] = times if bad is None else pc.if_else(pa.array(bad), pa.scalar(None, times.type), times)
    if any(
        "kubernetes" in value or "resource" in value or "host" in value or "service" in value or "pod_name" in value for value in values
    ):
        for name, paths in _TEXT_COLUMNS.items():
            array = pa.array([_first(value, paths) for value in values], pa.string())
            if array.null_count < n:
                columns[name] = array
    return Wrapped("shipped", texts, np.arange(n), columns, np.zeros(n, bool))


def without_line_end(value: dict[str, Any]) -> dict[str, Any]:
    r"""An object whose `log` does not end in '\n', as Docker writes it."""
    line = value.get("log")
    return {**value, "log": line[:-1]} if type(line) is str and line.endswith("\n") else value


def _first(value: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> str | None:
    for path in paths:
        found: Any = value
        for key in path:
            found = found.get(key) if type(found) is dict else None
        if type(found) is str and found:
            return found
    return None
