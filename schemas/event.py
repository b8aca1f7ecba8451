"""Events: what every log line, span and log record becomes; and what cannot be read."""

from __future__ import annotations

import pyarrow as pa

from schemas.record import Field, Record, boolean, f64, i32, i64, text, time_ms, time_us, u16, u64

__all__ = ["DEAD_LETTER", "DEAD_LETTER_RETRY", "ERROR_CATEGORIES", "EVENT", "METRIC_POINT", "RAW"]

ERROR_CATEGORIES = ("validation", "authentication", "authorization", "rate_limit", "backend", "timeout", "client_abort", "dependency")
"""Why a request failed; their order is part of measure's state: new ones go last.

client_abort: the caller hung up. dependency: not the service behind failed, but what a request needs besides (an authorizer, a
rate-limit service, name resolution, or whatever an error code calls so)."""

_SOURCE = (
    text("topic", "Kafka topic (or file) the record came from.", low_cardinality=True),
    i32("partition", "Kafka partition (or file number)."),
    i64("offset", "Kafka offset (or line number) of the record."),
)


def _numbers(name: str, doc: str) -> Field:
    return Field(name, pa.list_(pa.float64()), "Array(Float64)", "ARRAY<DOUBLE>", doc)


RAW = Record(
    "raw",
    "One Kafka record as it arrived: one or many lines of any supported format.",
    (
        Field("value", pa.binary(), "String", "BYTES", "The bytes of the record."),
        *_SOURCE,
        i64("arrival_ms", "Broker append time, epoch ms: the clock of waits and deadlines."),
    ),
)

EVENT = Record(
    "events",
    "One access-log line, span or log record, with the transaction it belongs to.",
    (
        time_us("timestamp", "Start of the request or span, else the time the log gives."),
        text("kind", "access, span or log.", low_cardinality=True),
        text("environment", "Deployment environment, e.g. prod; '' when the log does not say.", low_cardinality=True),
        text("region", "Region, as logged or by the catalogue.", low_cardinality=True),
        text("cluster", "Cluster, as logged or by the catalogue.", low_cardinality=True),
        text("service_name", "Service that wrote the event.", low_cardinality=True),
        text("team", "Team that owns the service, by the catalogue.", low_cardinality=True),
        text("criticality", "How much the service matters, by the catalogue, e.g. high.", low_cardinality=True),
        text("http_request_method", "HTTP method as logged.", low_cardinality=True),
        text("url_path", "Raw path, not decoded, without query; secrets masked."),
        text("url_query", "Raw query without '?'; secrets masked."),
        text("http_route", "Route template, logged or learned, e.g. /users/{id}.", low_cardinality=True),
        u16("http_response_status_code", "HTTP status; null when there is none."),
        text(
            "error_category",
            "validation, authentication, authorization, rate_limit, backend, timeout, client_abort, dependency; '' = no error.",
            low_cardinality=True,
        ),
        f64("duration_ms", "Duration of the whole request or span in ms; null when not logged."),
        i64("http_response_body_size", "Response body bytes; null when not logged.", nullable=True),
        text("client_address", "Address of the caller, without port."),
        text("user_agent_original", "User agent as logged.", low_cardinality=True),
        text("user_agent_family", "What calls: chrome, safari, curl, okhttp, googlebot, ...; other when not known.", low_cardinality=True),
        text("server_address", "Host asked for.", low_cardinality=True),
        text("request_id", "Request ID shared by the hops of one request."),
        text("trace_id", "Trace ID, 32 hex digits where the source has W3C ids."),
        text("span_id", "Span ID."),
        text("parent_span_id", "Span ID of the parent; '' on a root."),
        text("span_name", "Operation name of a span.", low_cardinality=True),
        text("span_kind", "server, client, internal, producer, consumer; '' when not a span.", low_cardinality=True),
        text("client_id", "Application, integration or API key that calls; '' when unknown."),
        text("user_id", "User that calls; '' when unknown."),
        text("token_id", "Token that was used; '' when unknown."),
        text("k8s_pod_name", "Pod or host that wrote the event.", low_cardinality=True),
        text("severity_text", "Severity of a log record.", low_cardinality=True),
        text("body", "Message of a log record; '' for access lines and spans."),
        text("log_template", "Message of a log record with <*> for numbers, ids and quoted values; '' for others.", low_cardinality=True),
        text("format", "Format the line was read as.", low_cardinality=True),
        text("transaction_id", "Transaction the event belongs to, 32 hex digits; '' when nothing identifies one."),
        boolean("is_duplicate", "The same event was seen before; not counted anywhere."),
        boolean("is_late", "Arrived after its transaction was closed."),
        *_SOURCE,
        i32("line_index", "Position of the event within the Kafka record."),
        time_ms("arrived_at", "Broker append time of the Kafka record."),
        u64("transaction_hash", "64-bit key of the transaction: partitioning and state look-ups."),
    ),
    identity=("topic", "partition", "offset", "line_index"),
    order_by=("environment", "service_name", "timestamp", "topic", "partition", "offset", "line_index"),
)

METRIC_POINT = Record(
    "metric_points",
    "One data point of a metric that arrived ready made (OTLP metrics, Prometheus, business metrics).",
    (
        time_us("time", "Time of the data point."),
        text("environment", "Deployment environment.", low_cardinality=True),
        text("entity_kind", "host (a pod or machine), service, environment, business or metric.", low_cardinality=True),
        text("entity", "Name of the entity.", low_cardinality=True),
        text("metric", "Metric name, with its distinguishing attributes in {}.", low_cardinality=True),
        f64("value", "The value, in the unit of the metric."),
        text("source", "What brought it: otlp, prometheus or business.", low_cardinality=True),
        boolean("is_cumulative", "Counts from `started_at` on: measure takes the difference from the point before."),
        time_us("started_at", "When a cumulative point began to count; null when not told."),
        _numbers("edges", "Edges of the buckets of a cumulative histogram, ascending; null or empty = none."),
        _numbers("counters", "Counters of a cumulative point: the value, or count, sum and the counts of the buckets; null = none."),
        *_SOURCE,
        i32("line_index", "Position within the Kafka record."),
        time_ms("arrived_at", "Broker append time of the Kafka record."),
        u64("entity_hash", "64-bit key of the entity: partitioning."),
    ),
    identity=("environment", "entity_kind", "entity", "metric", "time"),
)

DEAD_LETTER = Record(
    "dead_letters",
    "Input that could not be read, with its original bytes and the reason.",
    (
        time_ms("arrived_at", "Broker append time of the Kafka record."),
        *_SOURCE,
        i32("line_index", "Position of the line within the Kafka record."),
        text("stage", "Stage that refused it.", low_cardinality=True),
        text("reason", "Why, as a short code, e.g. invalid_json.", low_cardinality=True),
        text("detail", "What exactly, in words."),
        Field("original", pa.binary(), "String", "BYTES", "The original bytes of the line."),
        text("job_version", "Version of the product that refused it.", low_cardinality=True),
    ),
    identity=("topic", "partition", "offset", "line_index"),
    order_by=("topic", "partition", "offset", "line_index"),
)

DEAD_LETTER_RETRY = Record(
    "dead_letter_retries",
    "Dead letters that were sent again, or are being sent: no letter is sent twice.",
    (
        time_ms("retried_at", "When it was sent."),
        *_SOURCE,
        i32("line_index", "Position of the line within the Kafka record."),
        text("state", "claimed (about to be sent, or cut short), sent.", low_cardinality=True),
        text("sent_to", "Topic it was sent to, or store, where it became an event at once.", low_cardinality=True),
        text("position", "Ends of the topic's partitions before it was sent, as JSON: where a cut short retry is looked for."),
        boolean("is_mended", "Its bytes were changed before it was sent."),
        i32("revision", "1 + number of changes of the row."),
    ),
    identity=("topic", "partition", "offset", "line_index"),
    order_by=("topic", "partition", "offset", "line_index"),
)
