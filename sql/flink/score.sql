-- The verdict on every point: score 0..100, bounds, is_anomaly and the reason. Edit, run `anomasec check`, restart the job `score`.
-- One row in `scores` per row in `points`. Columns of `points`: points.sql. Functions: functions.sql. Exercises: sql/README.md.
CREATE TEMPORARY VIEW scores AS
WITH

-- ------------------------------------------------------------------------------------------------------------------------------
-- Constants
-- ------------------------------------------------------------------------------------------------------------------------------
points_with_constants AS (
    SELECT
        p.*,
        CAST(12 AS INT)      AS min_history,       -- points: a series is silent (score null) until it has this many earlier points (12)
        CAST(0.85 AS DOUBLE) AS deviation_weight,  -- share of deviation_score in the score; more = closer to plain distance (0.85)
        CAST(0.15 AS DOUBLE) AS forest_weight,     -- share of forest_score; 0 = ignore the forest; without a model it is ignored (0.15)
        CAST(6.0 AS DOUBLE)  AS band_spreads       -- spreads: half width of the band lower..upper; charts only, no effect on is_anomaly (6.0)
    FROM points AS p
),

-- ------------------------------------------------------------------------------------------------------------------------------
-- Rules: what may be called an anomaly. The first line that matches a point wins, so exceptions go on top.
--   threshold     score 0..100 to reach; 50 = 3 spreads, 67 = 6, 75 = 9, 90 = 27; 101 = never. Lower = more alarms
--   min_relative  least distance from expected, as a share of expected: 0.25 = a quarter more (or less)
--   min_absolute  least distance from expected, in the unit of the metric
--   min_weight    least number of events the value rests on; null weight (CSV, OTLP) passes
--   direction     'up' = only too high, 'down' = only too low, 'both'
-- In LIKE, % stands for any text, _ for one character.
-- ------------------------------------------------------------------------------------------------------------------------------
points_with_rule AS (
    SELECT
        c.*,
        CAST(CASE
            -- exceptions: one route, one service, one client ...                                   threshold, min_relative, min_absolute, min_weight, direction
            WHEN entity_kind = 'route'   AND entity LIKE '% GET /health%'                   THEN ROW(     101,          0.0,          0.0,          0, 'both')
            WHEN entity_kind = 'call'                                                       THEN ROW(     101,          0.0,          0.0,          0, 'both')
            WHEN entity_kind = 'client'  AND metric LIKE 'latency_ms%'                      THEN ROW(      80,          0.5,         20.0,         20, 'up')
            -- metrics: what holds for all entities
            WHEN metric LIKE 'latency_ms%'                                                  THEN ROW(      70,         0.25,          5.0,         10, 'up')
            WHEN metric LIKE '%duration_ms%'                                                THEN ROW(      70,         0.25,          5.0,         10, 'up')
            WHEN metric LIKE 'error_ratio%'                                                 THEN ROW(      70,          0.5,         0.02,         10, 'up')
            WHEN metric LIKE 'request_rate%'                                                THEN ROW(      75,          0.5,          0.5,          0, 'both')
            WHEN metric LIKE '%bytes%'                                                      THEN ROW(      80,          0.5,       1000.0,         10, 'both')
            -- everything else: OTLP metrics, CSV files
            ELSE                                                                                 ROW(      70,         0.05,          0.0,          0, 'both')
        END AS ROW<threshold DOUBLE, min_relative DOUBLE, min_absolute DOUBLE, min_weight DOUBLE, direction STRING>) AS rule
    FROM points_with_constants AS c
),

-- ------------------------------------------------------------------------------------------------------------------------------
-- Steps
-- ------------------------------------------------------------------------------------------------------------------------------
judged AS (
    SELECT
        r.*,
        deviation_score(`value`, expected, spread, seasonal_expected, weight)            AS raw_deviation,
        forest_score(`value`, expected, spread, seasonal_expected, previous, weight)     AS raw_forest,
        deviation_lower(expected, spread, seasonal_expected, weight, band_spreads)       AS raw_lower,
        deviation_upper(expected, spread, seasonal_expected, weight, band_spreads)       AS raw_upper
    FROM points_with_rule AS r
),

warmed_up AS (
    SELECT
        j.*,
        history_count >= min_history AND raw_deviation IS NOT NULL AS is_warm
    FROM judged AS j
),

combined AS (
    SELECT
        w.*,
        CASE WHEN is_warm THEN raw_deviation END AS deviation_score,
        CASE WHEN is_warm THEN raw_forest END    AS forest_score,
        CASE
            WHEN is_warm AND raw_forest IS NULL THEN raw_deviation
            WHEN is_warm THEN (deviation_weight * raw_deviation + forest_weight * raw_forest) / (deviation_weight + forest_weight)
        END AS score
    FROM warmed_up AS w
),

flagged AS (
    SELECT
        c.*,
        COALESCE(
            score >= c.rule.threshold
            AND ABS(`value` - expected) >= c.rule.min_relative * ABS(expected)
            AND ABS(`value` - expected) >= c.rule.min_absolute
            AND (weight IS NULL OR weight >= c.rule.min_weight)
            AND (c.rule.direction = 'both' OR (c.rule.direction = 'up') = (`value` > expected)),
            FALSE
        ) AS is_anomaly
    FROM combined AS c
)

SELECT
    time_us,
    environment,
    entity_kind,
    entity,
    metric,
    width_s,
    `value`,
    weight,
    score,
    CASE WHEN is_warm THEN expected END                                              AS expected,
    CASE WHEN is_warm THEN raw_lower END                                             AS `lower`,
    CASE WHEN is_warm THEN raw_upper END                                             AS `upper`,
    is_anomaly,
    ''                                                                               AS reason,  -- '' = the standard sentence where is_anomaly; or write your own
    deviation_score,
    forest_score,
    rule.threshold                                                                   AS threshold,
    CASE WHEN is_warm THEN GREATEST(rule.min_relative * ABS(expected), rule.min_absolute) END AS min_effect,
    revision,
    emitted_ms
FROM flagged;
