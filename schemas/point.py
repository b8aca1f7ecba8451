"""Points, their baselines, scores, anomalies, incidents, budgets and labels."""

from __future__ import annotations

import pyarrow as pa

from schemas.record import Field, Record, boolean, f64, i32, i64, strings, text, time_ms, time_us

__all__ = ["ANOMALY", "BASELINE_COLUMNS", "BUDGET", "ENTITY_KINDS", "INCIDENT", "LABEL", "POINT", "SCORE"]

ENTITY_KINDS = ("environment", "service", "route", "client", "call", "host", "metric", "business", "template")

_SERIES = (
    time_us("time", "Start of the window, or the time of a ready-made metric point."),
    text("environment", "Deployment environment.", low_cardinality=True),
    text("entity_kind", "environment, service, route, client, call, host or metric.", low_cardinality=True),
    text("entity", "Name of the entity; a route is 'service METHOD /route', a call 'caller>callee'.", low_cardinality=True),
    text("metric", "What was measured, e.g. request_rate, error_ratio_backend, latency_ms_p95.", low_cardinality=True),
    i32("width_s", "Width of the window in seconds; 0 for ready-made metric points."),
)

_IDENTITY = ("environment", "entity_kind", "entity", "metric", "width_s", "time")

_SURPRISES = (
    f64("season_surprise", "How rarely it lay as far from the usual value at this time of day (from its level, while that is unknown)."),
    f64("step_surprise", "How rarely it moved as far from the points just before; the time of day allowed for."),
    f64("drift_surprise", "How rarely the last half hour of points lay as far to one side of the usual."),
    f64("noise_surprise", "How rarely the last points jumped about as much."),
)
"""-log10 of the share of the series' own past that was as far off: 3 = once in 1,000 points; null while warming up."""

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
        *_SURPRISES,
        i64("revision", "1 + number of amendments by late data: the highest is the truth."),
        text(
            "source",
            "window (made by measure), csv, or what brought a ready-made point: otlp, prometheus or business.",
            low_cardinality=True,
        ),
        time_ms("emitted_at", "Broker time at which this revision was made."),
    ),
    identity=_IDENTITY,
    order_by=_IDENTITY,
)

BASELINE_COLUMNS = ("expected", "spread", "seasonal_expected", "history_count", "previous", *(f.name for f in _SURPRISES))

SCORE = Record(
    "scores",
    "The verdict on one point.",
    (
        *_SERIES,
        f64("value", "The value that was judged."),
        f64("weight", "How many events the value rests on."),
        f64("score", "0..100: 100 (1 - 10^(-surprise / 5)); 60 = 1 point in 100 of its past, 75 = 1,000, 90 = 100,000; null = warming up."),
        f64("surprise", "-log10 of how rare the point is under its own past, without a cap; null while warming up."),
        f64("expected", "Expected value; null while warming up."),
        f64("lower", "Lower bound of what is normal; null while warming up."),
        f64("upper", "Upper bound of what is normal; null while warming up."),
        boolean("is_anomaly", "The score passed the threshold and the minimum effect."),
        text("reason", "Why, in words; '' when nothing is to be said."),
        f64("deviation_score", "Score of the robust seasonal deviation, 0..100; null while warming up."),
        f64("forest_score", "Score of the isolation forest, 0..100; null without a trained model."),
        *_SURPRISES,
        f64("threshold", "Score from which the rule that holds for the point calls it an anomaly."),
        f64("min_effect", "Least distance from expected that the rule wants, in the unit of the value; null while warming up."),
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
        time_us("since", "Start of the unbroken run of anomalous windows of the series that it is in."),
        f64("fires_from", "Counterfactual: a value on this side of it would have been no anomaly; null when not known."),
        text(
            "dimension",
            "Where the deviation sits: service, route, client, host, environment, error; '' = in none alone.",
            low_cardinality=True,
        ),
        text("dimension_value", "The one of that dimension, e.g. the route; '' when none.", low_cardinality=True),
        f64("dimension_share", "Share of the deviation that it explains, 0..1; null when none."),
        strings("dimensions", "All that deviate with it, ranked: 'route shop POST /orders 0.83'."),
        time_ms("told_at", "Broker time at which this state of the anomaly was told."),
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
        text("team", "Budget it is charged to: the pattern of sql/flink/budget.sql; '' = the whole estate's.", low_cardinality=True),
        f64("evidence", "How strong it is: the surprise of its series, the strongest counting most; comparable over the whole estate."),
        f64("page_threshold", "Evidence that would have paged when this state was told; follows the budget."),
        boolean("is_page", "It was worth waking somebody: its evidence passed the threshold. Stays true."),
        Field(
            "paged_at",
            pa.timestamp("ms", tz="UTC"),
            "Nullable(DateTime64(3, 'UTC'))",
            "TIMESTAMP_LTZ(3)",
            "Broker time of the page; null when there was none.",
        ),
        time_ms("told_at", "Broker time at which this state of the incident was told."),
    ),
    identity=("incident_id",),
    order_by=("incident_id",),
)

BUDGET = Record(
    "budget",
    "The page budget of the estate or of one team, as it stood at a time.",
    (
        text("team", "Pattern of sql/flink/budget.sql; '' = the whole estate's.", low_cardinality=True),
        time_ms("time", "Broker time."),
        f64("pages_per_week", "The budget."),
        i32("pages_7d", "Pages in the last 7 days: what was achieved."),
        i32("pages_total", "Pages since the state began."),
        f64("threshold", "Evidence from which an incident pages now."),
        f64("target_per_week", "Rate the threshold aims at: the budget, corrected for what was spent too much or too little."),
        f64("candidates_7d", "Incidents and lone anomalies that could have paged, per week of the look-back."),
        f64("points_per_week", "Scored points per week: the more series, the higher the threshold starts."),
        f64("weeks", "Weeks of scores behind the threshold, older ones fading."),
        text(
            "state",
            "learning (less than a day of scores: the threshold rests on a prior), steady, spent (over budget) or quiet.",
            low_cardinality=True,
        ),
    ),
    identity=("team", "time"),
    order_by=("team", "time"),
)

LABEL = Record(
    "labels",
    "What a person said of an anomaly.",
    (
        text("anomaly_id", "The anomaly."),
        text("label", "good (rightly found) or bad (a false alarm).", low_cardinality=True),
        text("note", "Why, in the person's words."),
        text("author", "Who said it.", low_cardinality=True),
        time_ms("labelled_at", "When."),
        i64("revision", "Grows with each change of mind: the highest holds."),
    ),
    identity=("anomaly_id",),
    order_by=("anomaly_id",),
)
