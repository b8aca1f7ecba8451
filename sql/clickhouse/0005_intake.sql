-- Intake: what events carry, and their tables.
SELECT 1;

-- One step of a change a row: a deploy, a switched flag, a new size. Few rows, so no partitions: the same message told twice replaces
-- itself whenever it arrives.
CREATE TABLE IF NOT EXISTS changes_data
(
    change_id        String CODEC(ZSTD(1)),
    time             DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    environment      LowCardinality(String),
    service_name     LowCardinality(String),
    change_kind      LowCardinality(String),
    status           LowCardinality(String),
    version          String CODEC(ZSTD(1)),
    previous_version String CODEC(ZSTD(1)),
    author           String CODEC(ZSTD(1)),
    title            String CODEC(ZSTD(1)),
    url              String CODEC(ZSTD(1)),
    source           LowCardinality(String),
    topic            LowCardinality(String),
    partition        Int32,
    offset           Int64 CODEC(Delta, ZSTD(1)),
    line_index       Int32,
    arrived_at       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY change_id;

CREATE OR REPLACE VIEW changes AS
SELECT
    change_id,
    time,
    environment,
    service_name,
    change_kind,
    status,
    version,
    previous_version,
    author,
    title,
    url,
    source,
    topic,
    partition,
    offset,
    line_index,
    arrived_at
FROM changes_data FINAL;

-- Where an event comes from and who answers for it, and what kind of program calls.
ALTER TABLE events_data ADD COLUMN IF NOT EXISTS region LowCardinality(String) AFTER environment;
ALTER TABLE events_data ADD COLUMN IF NOT EXISTS cluster LowCardinality(String) AFTER region;
ALTER TABLE events_data ADD COLUMN IF NOT EXISTS team LowCardinality(String) AFTER service_name;
ALTER TABLE events_data ADD COLUMN IF NOT EXISTS criticality LowCardinality(String) AFTER team;
ALTER TABLE events_data ADD COLUMN IF NOT EXISTS user_agent_family LowCardinality(String) AFTER user_agent_original;
ALTER TABLE events_data ADD COLUMN IF NOT EXISTS log_template LowCardinality(String) AFTER body;

-- One access-log line, span or log record, with the transaction it belongs to. Lists every column of the table: one added below wants
-- its name here, too.
CREATE OR REPLACE VIEW events AS
SELECT
    timestamp,
    kind,
    environment,
    region,
    cluster,
    service_name,
    team,
    criticality,
    http_request_method,
    url_path,
    url_query,
    http_route,
    http_response_status_code,
    error_category,
    duration_ms,
    http_response_body_size,
    client_address,
    user_agent_original,
    user_agent_family,
    server_address,
    request_id,
    trace_id,
    span_id,
    parent_span_id,
    span_name,
    span_kind,
    client_id,
    user_id,
    token_id,
    k8s_pod_name,
    severity_text,
    body,
    log_template,
    format,
    transaction_id,
    is_duplicate,
    is_late,
    topic,
    partition,
    offset,
    line_index,
    arrived_at
FROM events_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- What services write to their logs, and since when: a template first seen of late is new.
CREATE OR REPLACE VIEW log_templates AS
SELECT
    environment,
    service_name,
    log_template,
    min(timestamp) AS first_seen_at,
    max(timestamp) AS last_seen_at,
    count() AS event_count,
    any(body) AS example
FROM events_data
WHERE kind = 'log' AND log_template != '' AND NOT is_duplicate
GROUP BY environment, service_name, log_template;

-- Dead letters that were sent again. Small: one row for each.
CREATE TABLE IF NOT EXISTS dead_letter_retries_data
(
    retried_at DateTime64(3, 'UTC'),
    topic      LowCardinality(String),
    partition  Int32,
    offset     Int64,
    line_index Int32,
    state      LowCardinality(String),
    sent_to    LowCardinality(String),
    position   String CODEC(ZSTD(1)),
    is_mended  Bool,
    revision   Int32
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY tuple()
ORDER BY (topic, partition, offset, line_index);

-- Dead letters that were sent again, or are being sent: no letter is sent twice.
CREATE OR REPLACE VIEW dead_letter_retries AS
SELECT
    retried_at,
    topic,
    partition,
    offset,
    line_index,
    state,
    sent_to,
    position,
    is_mended,
    revision
FROM dead_letter_retries_data FINAL;
