"""Changes: deploys, feature flags, configuration, scaling; what people or machines did to the services."""

from __future__ import annotations

from schemas.record import Record, i32, i64, text, time_ms, time_us

__all__ = ["CHANGE", "CHANGE_KINDS", "CHANGE_STATUSES"]

CHANGE_KINDS = ("deploy", "rollback", "feature_flag", "config", "scaling", "restart", "migration", "code")
CHANGE_STATUSES = ("started", "succeeded", "failed")

CHANGE = Record(
    "changes",
    "One step of a change: something was deployed, rolled back, switched, configured or scaled.",
    (
        text("change_id", "Hash of what the change is, 32 hex digits: the same message told twice is one row."),
        time_us("time", "When it happened, as the message says; else when the message arrived."),
        text("environment", "Deployment environment; '' when the message does not say.", low_cardinality=True),
        text("service_name", "Service, repository or project that was changed; '' when the message does not say.", low_cardinality=True),
        text("change_kind", "deploy, rollback, feature_flag, config, scaling, restart, migration or code (a push).", low_cardinality=True),
        text("status", "started, succeeded or failed.", low_cardinality=True),
        text("version", "Version, revision or value after the change; '' when not told."),
        text("previous_version", "Version, revision or value before the change; '' when not told."),
        text("author", "Who did it: a user name where there is one; secrets masked."),
        text("title", "What was done, in words; secrets masked."),
        text("url", "Where to read more; secrets masked."),
        text("source", "github, gitlab, argocd, kubernetes, cloudevents, eventbridge, launchdarkly or json.", low_cardinality=True),
        text("topic", "Kafka topic (or file) the record came from.", low_cardinality=True),
        i32("partition", "Kafka partition (or file number)."),
        i64("offset", "Kafka offset (or line number) of the record."),
        i32("line_index", "Position of the change within the Kafka record."),
        time_ms("arrived_at", "Broker append time of the Kafka record."),
    ),
    identity=("change_id",),
    order_by=("change_id",),
)
