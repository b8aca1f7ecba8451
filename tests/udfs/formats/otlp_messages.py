"""OTLP export requests for tests, made with the published messages."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

__all__ = ["any_value", "logs", "metrics", "pairs", "traces"]

_RESOURCE = {"service.name": "cart", "deployment.environment.name": "prod", "k8s.pod.name": "cart-1"}


def any_value(value: Any) -> common_pb2.AnyValue:
    """AnyValue of a plain value."""
    made = common_pb2.AnyValue()
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, bytes):
        made.bytes_value = value
    elif isinstance(value, list):
        made.array_value.values.extend(map(any_value, value))
    elif isinstance(value, dict):
        made.kvlist_value.values.extend(pairs(value))
    return made


def pairs(values: dict[str, Any]) -> list[common_pb2.KeyValue]:
    """Key-value list of a dict."""
    return [common_pb2.KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def traces(spans: list[trace_pb2.Span], resource: dict[str, Any] | None = None) -> Message:
    """An export request of spans."""
    scope = trace_pb2.ScopeSpans(scope=common_pb2.InstrumentationScope(name="test", version="1"), spans=spans)
    return trace_pb2.TracesData(resource_spans=[trace_pb2.ResourceSpans(resource=_resource(resource), scope_spans=[scope])])


def logs(records: list[logs_pb2.LogRecord], resource: dict[str, Any] | None = None) -> Message:
    """An export request of log records."""
    scope = logs_pb2.ScopeLogs(log_records=records)
    return logs_pb2.LogsData(resource_logs=[logs_pb2.ResourceLogs(resource=_resource(resource), scope_logs=[scope])])


def metrics(found: list[metrics_pb2.Metric], resource: dict[str, Any] | None = None) -> Message:
    """An export request of metrics."""
    scope = metrics_pb2.ScopeMetrics(metrics=found)
    return metrics_pb2.MetricsData(resource_metrics=[metrics_pb2.ResourceMetrics(resource=_resource(resource), scope_metrics=[scope])])


def _resource(attributes: dict[str, Any] | None) -> resource_pb2.Resource:
    return resource_pb2.Resource(attributes=pairs(_RESOURCE if attributes is None else attributes))
