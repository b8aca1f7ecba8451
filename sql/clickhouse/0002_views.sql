-- What readers query: the latest revision of each row, every row once, whatever was inserted again after a crash.
-- Where the identity fixes the partition, partitions need not be merged with each other (do_not_merge_across_partitions_...).

-- One access-log line, span or log record, with the transaction it belongs to.
CREATE OR REPLACE VIEW events AS
SELECT
    timestamp,
    kind,
    environment,
    service_name,
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

-- One request across hops: all events that share a request ID (or trace ID).
CREATE OR REPLACE VIEW transactions AS
SELECT
    transaction_id,
    environment,
    request_id,
    trace_id,
    revision,
    root_span_id,
    root_service,
    root_route,
    services,
    calls,
    started_at,
    ended_at,
    duration_ms,
    http_response_status_code,
    error_category,
    event_count,
    span_count,
    error_count,
    duplicate_count,
    late_count,
    orphan_count,
    orphan_kind,
    closure_reason,
    first_arrived_at,
    closed_at,
    is_error
FROM transactions_data FINAL;

-- One value of one metric of one entity in one window, with the baseline it is to be judged by.
CREATE OR REPLACE VIEW points AS
SELECT
    time,
    environment,
    entity_kind,
    entity,
    metric,
    width_s,
    value,
    weight,
    expected,
    spread,
    seasonal_expected,
    history_count,
    previous,
    revision,
    source,
    emitted_at
FROM points_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The verdict on one point.
CREATE OR REPLACE VIEW scores AS
SELECT
    time,
    environment,
    entity_kind,
    entity,
    metric,
    width_s,
    value,
    weight,
    score,
    expected,
    lower,
    upper,
    is_anomaly,
    reason,
    deviation_score,
    forest_score,
    revision,
    emitted_at
FROM scores_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- A point that was judged anomalous; withdrawn when late data says otherwise. Withdrawn ones are left out.
CREATE OR REPLACE VIEW anomalies AS
SELECT
    anomaly_id,
    time,
    environment,
    entity_kind,
    entity,
    metric,
    width_s,
    value,
    weight,
    score,
    expected,
    lower,
    upper,
    is_anomaly,
    reason,
    deviation_score,
    forest_score,
    revision,
    emitted_at,
    incident_id
FROM anomalies_data FINAL
WHERE is_anomaly;

-- Anomalies close in time and joined by calls. Those merged into an older incident are left out.
CREATE OR REPLACE VIEW incidents AS
SELECT
    incident_id,
    revision,
    environment,
    started_at,
    ended_at,
    status,
    first_entity_kind,
    first_entity,
    strongest_entity_kind,
    strongest_entity,
    strongest_metric,
    max_score,
    anomaly_count,
    services,
    summary
FROM incidents_data FINAL
WHERE status != 'merged';

-- Input that could not be read, with its original bytes and the reason.
CREATE OR REPLACE VIEW dead_letters AS
SELECT
    arrived_at,
    topic,
    partition,
    offset,
    line_index,
    stage,
    reason,
    detail,
    original,
    job_version
FROM dead_letters_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Which service calls which, per minute: requests in which the caller was seen to call the callee.
CREATE OR REPLACE VIEW service_calls AS
SELECT
    toStartOfMinute(started_at) AS time,
    environment,
    splitByChar('>', call)[1] AS caller,
    splitByChar('>', call)[2] AS callee,
    count() AS transaction_count,
    countIf(is_error) AS error_transaction_count
FROM transactions
ARRAY JOIN calls AS call
GROUP BY time, environment, call;
