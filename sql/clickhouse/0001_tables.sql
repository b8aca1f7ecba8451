-- Tables of what the stages emit. Columns are those of schemas/ (a test compares names, types and order); their comments are set
-- from there by `anomasec migrate`. Rows are idempotent: a row inserted again replaces itself, a higher revision replaces a lower.
-- `version` puts what a row rests on before its revision: after a restart the same events may be told in other steps, so that fewer
-- amendments lead to the same end; the row with more events in it must win all the same.
-- Readers use the views of 0002_views.sql. This file is applied once and never changed: changes are new files.

-- One access-log line, span or log record a row. A partition is a day of arrival: fixed by the identity (a Kafka record arrives
-- once), and few in an insert, whatever times the log lines claim.
CREATE TABLE IF NOT EXISTS events_data
(
    timestamp                 DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kind                      LowCardinality(String),
    environment               LowCardinality(String),
    service_name              LowCardinality(String),
    http_request_method       LowCardinality(String),
    url_path                  String CODEC(ZSTD(1)),
    url_query                 String CODEC(ZSTD(1)),
    http_route                LowCardinality(String),
    http_response_status_code Nullable(UInt16) CODEC(ZSTD(1)),
    error_category            LowCardinality(String),
    duration_ms               Nullable(Float64) CODEC(ZSTD(1)),
    http_response_body_size   Nullable(Int64) CODEC(ZSTD(1)),
    client_address            String CODEC(ZSTD(1)),
    user_agent_original       LowCardinality(String),
    server_address            LowCardinality(String),
    request_id                String CODEC(ZSTD(1)),
    trace_id                  String CODEC(ZSTD(1)),
    span_id                   String CODEC(ZSTD(1)),
    parent_span_id            String CODEC(ZSTD(1)),
    span_name                 LowCardinality(String),
    span_kind                 LowCardinality(String),
    client_id                 String CODEC(ZSTD(1)),
    user_id                   String CODEC(ZSTD(1)),
    token_id                  String CODEC(ZSTD(1)),
    k8s_pod_name              LowCardinality(String),
    severity_text             LowCardinality(String),
    body                      String CODEC(ZSTD(1)),
    format                    LowCardinality(String),
    transaction_id            String CODEC(ZSTD(1)),
    is_duplicate              Bool,
    is_late                   Bool,
    topic                     LowCardinality(String),
    partition                 Int32,
    offset                    Int64 CODEC(Delta, ZSTD(1)),
    line_index                Int32,
    arrived_at                DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    transaction_hash          UInt64 CODEC(NONE),
    INDEX timestamp_range timestamp TYPE minmax GRANULARITY 1,
    INDEX transaction_id_bloom transaction_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(arrived_at)
ORDER BY (environment, service_name, timestamp, topic, partition, offset, line_index);

-- One request across hops a row. No partitions: its times may move with late events, and a row of a higher revision must land where
-- the lower one is.
CREATE TABLE IF NOT EXISTS transactions_data
(
    transaction_id            String CODEC(ZSTD(1)),
    environment               LowCardinality(String),
    request_id                String CODEC(ZSTD(1)),
    trace_id                  String CODEC(ZSTD(1)),
    revision                  Int64 CODEC(ZSTD(1)),
    root_span_id              String CODEC(ZSTD(1)),
    root_service              LowCardinality(String),
    root_route                LowCardinality(String),
    services                  Array(String) CODEC(ZSTD(1)),
    calls                     Array(String) CODEC(ZSTD(1)),
    started_at                DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at                  DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ms               Nullable(Float64) CODEC(ZSTD(1)),
    http_response_status_code Nullable(UInt16) CODEC(ZSTD(1)),
    error_category            LowCardinality(String),
    event_count               Int32,
    span_count                Int32,
    error_count               Int32,
    duplicate_count           Int32,
    late_count                Int32,
    orphan_count              Int32,
    orphan_kind               LowCardinality(String),
    closure_reason            LowCardinality(String),
    first_arrived_at          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    closed_at                 DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    is_error                  Bool,
    INDEX started_at_range started_at TYPE minmax GRANULARITY 1,
    INDEX request_id_bloom request_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.01) GRANULARITY 1,
    version UInt64 MATERIALIZED bitShiftLeft(toUInt64(greatest(event_count + duplicate_count, 0)), 24) + toUInt64(greatest(revision, 0))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (transaction_id);

-- One value of one metric of one entity in one window a row. The time is part of the identity, so it may choose the partition.
CREATE TABLE IF NOT EXISTS points_data
(
    time              DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    environment       LowCardinality(String),
    entity_kind       LowCardinality(String),
    entity            LowCardinality(String),
    metric            LowCardinality(String),
    width_s           Int32,
    value             Nullable(Float64) CODEC(ZSTD(1)),
    weight            Nullable(Float64) CODEC(ZSTD(1)),
    expected          Nullable(Float64) CODEC(ZSTD(1)),
    spread            Nullable(Float64) CODEC(ZSTD(1)),
    seasonal_expected Nullable(Float64) CODEC(ZSTD(1)),
    history_count     Int32,
    previous          Nullable(Float64) CODEC(ZSTD(1)),
    revision          Int64 CODEC(ZSTD(1)),
    source            LowCardinality(String),
    emitted_at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    version UInt64 MATERIALIZED bitShiftLeft(toUInt64(greatest(ifNull(weight, 0), 0)), 24) + toUInt64(greatest(revision, 0))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(time)
ORDER BY (environment, entity_kind, entity, metric, width_s, time);

-- The verdict on one point a row.
CREATE TABLE IF NOT EXISTS scores_data
(
    time            DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    environment     LowCardinality(String),
    entity_kind     LowCardinality(String),
    entity          LowCardinality(String),
    metric          LowCardinality(String),
    width_s         Int32,
    value           Nullable(Float64) CODEC(ZSTD(1)),
    weight          Nullable(Float64) CODEC(ZSTD(1)),
    score           Nullable(Float64) CODEC(ZSTD(1)),
    expected        Nullable(Float64) CODEC(ZSTD(1)),
    lower           Nullable(Float64) CODEC(ZSTD(1)),
    upper           Nullable(Float64) CODEC(ZSTD(1)),
    is_anomaly      Bool,
    reason          String CODEC(ZSTD(1)),
    deviation_score Nullable(Float64) CODEC(ZSTD(1)),
    forest_score    Nullable(Float64) CODEC(ZSTD(1)),
    revision        Int64 CODEC(ZSTD(1)),
    emitted_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1,
    version UInt64 MATERIALIZED bitShiftLeft(toUInt64(greatest(ifNull(weight, 0), 0)), 24) + toUInt64(greatest(revision, 0))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(time)
ORDER BY (environment, entity_kind, entity, metric, width_s, time);

-- A point judged anomalous a row; is_anomaly = false withdraws it. No partitions: the identity does not fix the time.
CREATE TABLE IF NOT EXISTS anomalies_data
(
    anomaly_id      String CODEC(ZSTD(1)),
    time            DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    environment     LowCardinality(String),
    entity_kind     LowCardinality(String),
    entity          LowCardinality(String),
    metric          LowCardinality(String),
    width_s         Int32,
    value           Nullable(Float64) CODEC(ZSTD(1)),
    weight          Nullable(Float64) CODEC(ZSTD(1)),
    score           Nullable(Float64) CODEC(ZSTD(1)),
    expected        Nullable(Float64) CODEC(ZSTD(1)),
    lower           Nullable(Float64) CODEC(ZSTD(1)),
    upper           Nullable(Float64) CODEC(ZSTD(1)),
    is_anomaly      Bool,
    reason          String CODEC(ZSTD(1)),
    deviation_score Nullable(Float64) CODEC(ZSTD(1)),
    forest_score    Nullable(Float64) CODEC(ZSTD(1)),
    revision        Int64 CODEC(ZSTD(1)),
    emitted_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    incident_id     String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (anomaly_id);

-- Anomalies that belong together a row. No partitions: the identity does not fix the time.
CREATE TABLE IF NOT EXISTS incidents_data
(
    incident_id           String CODEC(ZSTD(1)),
    revision              Int64 CODEC(ZSTD(1)),
    environment           LowCardinality(String),
    started_at            DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at              DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    status                LowCardinality(String),
    first_entity_kind     LowCardinality(String),
    first_entity          LowCardinality(String),
    strongest_entity_kind LowCardinality(String),
    strongest_entity      LowCardinality(String),
    strongest_metric      LowCardinality(String),
    max_score             Nullable(Float64) CODEC(ZSTD(1)),
    anomaly_count         Int32,
    services              Array(String) CODEC(ZSTD(1)),
    summary               String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (incident_id);

-- What could not be read, with its original bytes.
CREATE TABLE IF NOT EXISTS dead_letters_data
(
    arrived_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    topic       LowCardinality(String),
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD(1)),
    line_index  Int32,
    stage       LowCardinality(String),
    reason      LowCardinality(String),
    detail      String CODEC(ZSTD(1)),
    original    String CODEC(ZSTD(1)),
    job_version LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(arrived_at)
ORDER BY (topic, partition, offset, line_index);
