-- Detection: what points, scores and anomalies carry, and their tables.

-- ---- what the detectors say of a point, and how rare it is in all
ALTER TABLE points_data
    ADD COLUMN IF NOT EXISTS season_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER previous,
    ADD COLUMN IF NOT EXISTS step_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER season_surprise,
    ADD COLUMN IF NOT EXISTS drift_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER step_surprise,
    ADD COLUMN IF NOT EXISTS noise_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER drift_surprise;

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
    season_surprise,
    step_surprise,
    drift_surprise,
    noise_surprise,
    revision,
    source,
    emitted_at
FROM points_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- ---- the threshold of the rule beside the score: what would have been judged otherwise can be read from the row
ALTER TABLE scores_data ADD COLUMN IF NOT EXISTS threshold Nullable(Float64) CODEC(ZSTD(1)) AFTER forest_score;
ALTER TABLE scores_data ADD COLUMN IF NOT EXISTS min_effect Nullable(Float64) CODEC(ZSTD(1)) AFTER threshold;

ALTER TABLE scores_data
    ADD COLUMN IF NOT EXISTS surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER score,
    ADD COLUMN IF NOT EXISTS season_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER forest_score,
    ADD COLUMN IF NOT EXISTS step_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER season_surprise,
    ADD COLUMN IF NOT EXISTS drift_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER step_surprise,
    ADD COLUMN IF NOT EXISTS noise_surprise Nullable(Float64) CODEC(ZSTD(1)) AFTER drift_surprise;

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
    surprise,
    expected,
    lower,
    upper,
    is_anomaly,
    reason,
    deviation_score,
    forest_score,
    season_surprise,
    step_surprise,
    drift_surprise,
    noise_surprise,
    threshold,
    min_effect,
    revision,
    emitted_at
FROM scores_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- ---- anomalies and incidents: what rests on more events wins, then what was told later by the broker's clock. Their revision alone
-- counts tellings: after a crash the same end may be reached in fewer. An engine's version cannot be changed: the tables are made anew.
-- Each step may be repeated.

ALTER TABLE anomalies_data
    ADD COLUMN IF NOT EXISTS threshold Nullable(Float64) AFTER forest_score,
    ADD COLUMN IF NOT EXISTS min_effect Nullable(Float64) AFTER threshold,
    ADD COLUMN IF NOT EXISTS surprise Nullable(Float64) AFTER score,
    ADD COLUMN IF NOT EXISTS season_surprise Nullable(Float64) AFTER forest_score,
    ADD COLUMN IF NOT EXISTS step_surprise Nullable(Float64) AFTER season_surprise,
    ADD COLUMN IF NOT EXISTS drift_surprise Nullable(Float64) AFTER step_surprise,
    ADD COLUMN IF NOT EXISTS noise_surprise Nullable(Float64) AFTER drift_surprise,
    ADD COLUMN IF NOT EXISTS since DateTime64(6, 'UTC') AFTER incident_id,
    ADD COLUMN IF NOT EXISTS fires_from Nullable(Float64) AFTER since,
    ADD COLUMN IF NOT EXISTS dimension LowCardinality(String) AFTER fires_from,
    ADD COLUMN IF NOT EXISTS dimension_value LowCardinality(String) AFTER dimension,
    ADD COLUMN IF NOT EXISTS dimension_share Nullable(Float64) AFTER dimension_value,
    ADD COLUMN IF NOT EXISTS dimensions Array(String) AFTER dimension_share,
    ADD COLUMN IF NOT EXISTS told_at DateTime64(3, 'UTC') AFTER dimensions;

DROP TABLE IF EXISTS anomalies_next;

-- A point that was judged anomalous; withdrawn when late data says otherwise.
CREATE TABLE anomalies_next
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
    surprise        Nullable(Float64) CODEC(ZSTD(1)),
    expected        Nullable(Float64) CODEC(ZSTD(1)),
    lower           Nullable(Float64) CODEC(ZSTD(1)),
    upper           Nullable(Float64) CODEC(ZSTD(1)),
    is_anomaly      Bool,
    reason          String CODEC(ZSTD(1)),
    deviation_score Nullable(Float64) CODEC(ZSTD(1)),
    forest_score    Nullable(Float64) CODEC(ZSTD(1)),
    season_surprise Nullable(Float64) CODEC(ZSTD(1)),
    step_surprise   Nullable(Float64) CODEC(ZSTD(1)),
    drift_surprise  Nullable(Float64) CODEC(ZSTD(1)),
    noise_surprise  Nullable(Float64) CODEC(ZSTD(1)),
    threshold       Nullable(Float64) CODEC(ZSTD(1)),
    min_effect      Nullable(Float64) CODEC(ZSTD(1)),
    revision        Int64 CODEC(ZSTD(1)),
    emitted_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    incident_id     String CODEC(ZSTD(1)),
    since           DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    fires_from      Nullable(Float64) CODEC(ZSTD(1)),
    dimension       LowCardinality(String),
    dimension_value LowCardinality(String),
    dimension_share Nullable(Float64) CODEC(ZSTD(1)),
    dimensions      Array(String) CODEC(ZSTD(1)),
    told_at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 MATERIALIZED bitShiftLeft(least(toUInt64(greatest(ifNull(weight, 0), 0)), 16777215), 40)
        + bitShiftLeft(toUInt64(toUnixTimestamp(told_at)), 8) + least(toUInt64(greatest(revision, 0)), 255)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (anomaly_id);

INSERT INTO anomalies_next
(
    anomaly_id, time, environment, entity_kind, entity, metric, width_s, value, weight, score, surprise, expected, lower, upper,
    is_anomaly, reason, deviation_score, forest_score, season_surprise, step_surprise, drift_surprise, noise_surprise, threshold,
    min_effect, revision, emitted_at, incident_id, since, fires_from, dimension,
    dimension_value, dimension_share, dimensions, told_at
)
SELECT
    anomaly_id, time, environment, entity_kind, entity, metric, width_s, value, weight, score, surprise, expected, lower, upper,
    is_anomaly, reason, deviation_score, forest_score, season_surprise, step_surprise, drift_surprise, noise_surprise, threshold,
    min_effect, revision, emitted_at, incident_id, since, fires_from, dimension,
    dimension_value, dimension_share, dimensions, told_at
FROM anomalies_data;

EXCHANGE TABLES anomalies_next AND anomalies_data;

DROP TABLE anomalies_next;

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
    surprise,
    expected,
    lower,
    upper,
    is_anomaly,
    reason,
    deviation_score,
    forest_score,
    season_surprise,
    step_surprise,
    drift_surprise,
    noise_surprise,
    threshold,
    min_effect,
    revision,
    emitted_at,
    incident_id,
    since,
    fires_from,
    dimension,
    dimension_value,
    dimension_share,
    dimensions,
    told_at
FROM anomalies_data FINAL
WHERE is_anomaly;

ALTER TABLE incidents_data
    ADD COLUMN IF NOT EXISTS team LowCardinality(String) AFTER summary,
    ADD COLUMN IF NOT EXISTS evidence Nullable(Float64) AFTER team,
    ADD COLUMN IF NOT EXISTS page_threshold Nullable(Float64) AFTER evidence,
    ADD COLUMN IF NOT EXISTS is_page Bool AFTER page_threshold,
    ADD COLUMN IF NOT EXISTS paged_at Nullable(DateTime64(3, 'UTC')) AFTER is_page,
    ADD COLUMN IF NOT EXISTS told_at DateTime64(3, 'UTC') AFTER paged_at;

DROP TABLE IF EXISTS incidents_next;

-- Anomalies close in time and joined by calls.
CREATE TABLE incidents_next
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
    summary               String CODEC(ZSTD(1)),
    team                  LowCardinality(String),
    evidence              Nullable(Float64) CODEC(ZSTD(1)),
    page_threshold        Nullable(Float64) CODEC(ZSTD(1)),
    is_page               Bool,
    paged_at              Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    told_at               DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 MATERIALIZED bitShiftLeft(toUInt64(greatest(toUnixTimestamp64Milli(told_at), 0)), 16)
        + least(toUInt64(greatest(revision, 0)), 65535)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (incident_id);

INSERT INTO incidents_next
(
    incident_id, revision, environment, started_at, ended_at, status, first_entity_kind, first_entity, strongest_entity_kind,
    strongest_entity, strongest_metric, max_score, anomaly_count, services, summary, team, evidence, page_threshold, is_page,
    paged_at, told_at
)
SELECT
    incident_id, revision, environment, started_at, ended_at, status, first_entity_kind, first_entity, strongest_entity_kind,
    strongest_entity, strongest_metric, max_score, anomaly_count, services, summary, team, evidence, page_threshold, is_page,
    paged_at, told_at
FROM incidents_data;

EXCHANGE TABLES incidents_next AND incidents_data;

DROP TABLE incidents_next;

-- Anomalies close in time and joined by calls. Those merged into an older one are left out.
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
    summary,
    team,
    evidence,
    page_threshold,
    is_page,
    paged_at,
    told_at
FROM incidents_data FINAL
WHERE status != 'merged';

-- ---- budget: pages allowed, pages made, and the threshold that follows
CREATE TABLE IF NOT EXISTS budget_data
(
    team            LowCardinality(String),
    time            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    pages_per_week  Nullable(Float64) CODEC(ZSTD(1)),
    pages_7d        Int32,
    pages_total     Int32,
    threshold       Nullable(Float64) CODEC(ZSTD(1)),
    target_per_week Nullable(Float64) CODEC(ZSTD(1)),
    candidates_7d   Nullable(Float64) CODEC(ZSTD(1)),
    points_per_week Nullable(Float64) CODEC(ZSTD(1)),
    weeks           Nullable(Float64) CODEC(ZSTD(1)),
    state           LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (team, time);

-- The page budget of the estate or of one team, as it stood at a time.
CREATE OR REPLACE VIEW budget AS
SELECT
    team,
    time,
    pages_per_week,
    pages_7d,
    pages_total,
    threshold,
    target_per_week,
    candidates_7d,
    points_per_week,
    weeks,
    state
FROM budget_data FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The budgets as they stand now: one row per team, '' = the estate.
CREATE OR REPLACE VIEW budget_now AS
SELECT *
FROM budget
ORDER BY time DESC
LIMIT 1 BY team;

-- ---- labels: what people said of anomalies
CREATE TABLE IF NOT EXISTS labels_data
(
    anomaly_id  String CODEC(ZSTD(1)),
    label       LowCardinality(String),
    note        String CODEC(ZSTD(1)),
    author      LowCardinality(String),
    labelled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    revision    Int64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (anomaly_id);

-- What a person said of an anomaly.
CREATE OR REPLACE VIEW labels AS
SELECT
    anomaly_id,
    label,
    note,
    author,
    labelled_at,
    revision
FROM labels_data FINAL;

-- ---- explained: the requests behind an anomaly, where it sits among them, and its verdict once more from the row alone
-- Both take the anomaly: SELECT * FROM anomaly_exemplars(anomaly = '...'). Worst first: failed for errors, slowest for latency.
CREATE OR REPLACE VIEW anomaly_exemplars AS
WITH (
    SELECT (any(time), any(width_s), any(environment), any(entity_kind), any(entity), any(metric))
    FROM anomalies
    WHERE anomaly_id = {anomaly:String}
) AS a
SELECT
    request_id,
    trace_id,
    transaction_id,
    timestamp,
    service_name,
    http_request_method,
    http_route,
    http_response_status_code,
    error_category,
    duration_ms,
    client_address,
    user_agent_original
FROM events
WHERE environment = a.3
    AND timestamp >= a.1
    AND timestamp < a.1 + toIntervalSecond(greatest(a.2, 1))
    AND NOT is_duplicate
    AND multiIf(
        a.4 = 'environment', 1,
        a.4 = 'service', service_name = a.5,
        a.4 = 'route', concat(service_name, ' ', http_request_method, ' ', http_route) = a.5,
        a.4 = 'client', a.5 IN (client_id, client_address),
        a.4 = 'host', k8s_pod_name = a.5,
        a.4 = 'call', splitByChar('>', a.5)[2] = service_name,
        0
    )
ORDER BY startsWith(a.6, 'error') AND error_category != '' DESC, duration_ms DESC NULLS LAST, timestamp
LIMIT 20;

-- Share of each value of each dimension among the bad requests of the window (failed, or above the upper bound) and among those of the
-- ten windows before: what grew most explains most.
CREATE OR REPLACE VIEW anomaly_dimensions AS
WITH (
    SELECT (any(time), any(width_s), any(environment), any(entity_kind), any(entity), any(metric), any(upper), any(value), any(expected))
    FROM anomalies
    WHERE anomaly_id = {anomaly:String}
) AS a
SELECT
    part.1 AS dimension,
    part.2 AS dimension_value,
    countIf(within AND bad) AS bad_count,
    countIf(within) AS request_count,
    countIf(NOT within) AS earlier_count,
    bad_count / greatest(any(bad_total), 1) AS bad_share,
    earlier_count / greatest(any(earlier_total), 1) AS earlier_share,
    bad_share - earlier_share AS grown
FROM
(
    SELECT
        timestamp >= a.1 AS within,
        multiIf(startsWith(a.6, 'error'), error_category != '', match(a.6, '_ms'), ifNull(duration_ms, 0) > ifNull(a.7, 0), 1) AS bad,
        countIf(within AND bad) OVER () AS bad_total,
        countIf(NOT within) OVER () AS earlier_total,
        arrayJoin([
            ('client', if(client_id != '', client_id, client_address)),
            ('host', toString(k8s_pod_name)),
            ('status', ifNull(toString(http_response_status_code), '')),
            ('error', toString(error_category)),
            ('route', concat(service_name, ' ', http_request_method, ' ', http_route)),
            ('user agent', toString(user_agent_original))
        ]) AS part
    FROM events
    WHERE environment = a.3
        AND timestamp >= a.1 - toIntervalSecond(10 * greatest(a.2, 1))
        AND timestamp < a.1 + toIntervalSecond(greatest(a.2, 1))
        AND NOT is_duplicate
        AND multiIf(
            a.4 = 'environment', 1,
            a.4 = 'service', service_name = a.5,
            a.4 = 'route', concat(service_name, ' ', http_request_method, ' ', http_route) = a.5,
            a.4 = 'client', a.5 IN (client_id, client_address),
            a.4 = 'host', k8s_pod_name = a.5,
            0
        )
)
WHERE part.2 != ''
GROUP BY dimension, dimension_value
HAVING bad_count > 0
ORDER BY grown DESC, dimension, dimension_value
LIMIT 50;

-- Twins that differ: the same service or route in two environments, hour by hour, by its 1 min windows. difference is that of the other
-- environment as a share of this one's value; confidence is 1 minus the chance that windows alike differ as much. Traffic is left out: it
-- differs by design. E.g. SELECT * FROM parity WHERE hour > now() - INTERVAL 1 DAY AND confidence > 0.999 ORDER BY abs(difference) DESC
CREATE OR REPLACE VIEW parity AS
WITH hourly AS
(
    SELECT
        toStartOfHour(time) AS hour,
        entity_kind,
        entity,
        metric,
        environment,
        count() AS windows,
        avg(value) AS mean,
        varSamp(value) / count() AS error_squared
    FROM points
    WHERE width_s = 60 AND entity_kind IN ('service', 'route') AND (startsWith(metric, 'latency_ms') OR startsWith(metric, 'error_ratio'))
    GROUP BY hour, entity_kind, entity, metric, environment
    HAVING windows >= 5
)
SELECT
    hour,
    entity_kind,
    entity,
    metric,
    one.environment AS environment,
    other.environment AS other_environment,
    one.mean AS value,
    other.mean AS other_value,
    if(one.mean > 0, other.mean / one.mean - 1, NULL) AS difference,
    sqrt(one.error_squared + other.error_squared) AS standard_error,
    if(other.mean = one.mean, 0, erf(abs(other.mean - one.mean) / greatest(sqrt(2) * standard_error, 1e-300))) AS confidence
FROM hourly AS one
INNER JOIN hourly AS other USING (hour, entity_kind, entity, metric)
WHERE one.environment < other.environment;
