"""Points, their baselines, scores, anomalies and incidents."""

from __future__ import annotations

from schemas.record import Record, boolean, f64, i32, i64, strings, text, time_ms, time_us

__all__ = ["ANOMALY", "BASELINE_COLUMNS", "ENTITY_KINDS", "INCIDENT", "POINT", "SCORE"]

ENTITY_KINDS = ("environment", "service", "route", "client", "call", "host", "metric")

_SERIES = (
    time_us("time", "Start of the window, or the time of a ready-made metric point."),
    text("environment", "Deployment environment.", low_cardinality=True),
    text("entity_kind", "environment, service, route, client, call, host or metric.", low_cardinality=True),
    text("entity", "Name of the entity; a route is 'service METHOD /route', a call 'caller>callee'.", low_cardinality=True),
    text("metric", "What was measured, e.g. request_rate, error_ratio_backend, latency_ms_p95.", low_cardinality=True),
    i32("width_s", "Width of the window in seconds; 0 for ready-made metric points."),
)

_IDENTITY = ("environment", "entity_kind", "entity", "metric", "width_s", "time")

POINT = Record(
    "points",
    "One value of one metric of one entity in one window, with the baseline it is to be judged by.",
    (
        *_SERIES,
        f64("value", "The value in the unit the metric's name says; ratios are 0..1, rates per second."),
        f64("weight", "How many events the value rests on."),
        f64("expected", "Baseline: what the entity's own past says; null while it warms up."),
        f64("spread", "Baseline: robust standard deviation around expected, same unit; null while it warms up."),
        f64("seasonal_expected", "Expected from the same time of earlier days; null when not yet known."),
        i32("history_count", "Earlier points of the series that the baseline rests on."),
        f64("previous", "Value of the point before; null on the first."),
        i64("revision", "1 + number of amendments by late data: the highest is the truth."),
        text("source", "window (made by measure), otlp or csv.", low_cardinality=True),
        time_ms("emitted_at", "Broker time at which this revision was made."),
    ),
    identity=_IDENTITY,
    order_by=_IDENTITY,
)

BASELINE_COLUMNS = ("expected", "spread", "seasonal_expected", "history_count", "previous")

SCORE = Record(
    "scores",
    "The verdict on one point.",
    (
        *_SERIES,
        f64("value", "The value that was judged."),
        f64("weight", "How many events the value rests on."),
        f64("score", "0..100, high = anomalous; null while warming up."),
        f64("expected", "Expected value; null while warming up."),
        f64("lower", "Lower bound of what is normal; null while warming up."),
        f64("upper", "Upper bound of what is normal; null while warming up."),
        boolean("is_anomaly", "The score passed the threshold and the minimum effect."),
        text("reason", "Why, in words; '' when nothing is to be said."),
        f64("deviation_score", "Score of the robust seasonal deviation, 0..100; null while warming up."),
        f64("forest_score", "Score of the isolation forest, 0..100; null without a trained model."),
        i64("revision", "Revision of the point that was judged."),
        time_ms("emitted_at", "Broker time of the point's revision."),
    ),
    identity=_IDENTITY,
    order_by=_IDENTITY,
)

ANOMALY = Record(
    "anomalies",
    "A point that was judged anomalous; withdrawn when late data says otherwise.",
    (
        text("anomaly_id", "Hash of the point's identity, 32 hex digits."),
        *SCORE.fields,
        text("incident_id", "Incident it belongs to; '' when none.", low_cardinality=False),
    ),
    identity=("anomaly_id",),
    order_by=("anomaly_id",),
)

INCIDENT = Record(
    "incidents",
    "Anomalies close in time and joined by calls.",
    (
        text("incident_id", "Hash of its first anomaly, 32 hex digits."),
        i64("revision", "Grows with each change: the highest is the truth."),
        text("environment", "Deployment environment.", low_cardinality=True),
        time_us("started_at", "Time of its first anomaly."),
        time_us("ended_at", "End of its last anomaly so far."),
        text("status", "open, closed, or merged (its anomalies moved into an older incident).", low_cardinality=True),
        text("first_entity_kind", "Kind of the entity that was anomalous first.", low_cardinality=True),
        text("first_entity", "Entity that was anomalous first.", low_cardinality=True),
        text("strongest_entity_kind", "Kind of the entity with the highest score.", low_cardinality=True),
        text("strongest_entity", "Entity with the highest score.", low_cardinality=True),
        text("strongest_metric", "Metric with the highest score.", low_cardinality=True),
        f64("max_score", "Highest score in it."),
        i32("anomaly_count", "Anomalies in it."),
        strings("services", "Services it touches."),
        text("summary", "One sentence for people."),
    ),
    identity=("incident_id",),
    order_by=("incident_id",),
)
