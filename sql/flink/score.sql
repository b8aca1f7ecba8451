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
        CAST(12 AS INT)      AS min_history,    -- points: a series is silent (score null) until it has this many earlier points (12)
        CAST(1.0 AS DOUBLE)  AS season_weight,  -- factor on season_surprise: far from the usual at this time of day; 0 = off (1.0)
        CAST(1.0 AS DOUBLE)  AS step_weight,    -- factor on step_surprise: far from the points just before; 0 = off (1.0)
        CAST(0.75 AS DOUBLE) AS drift_weight,   -- factor on drift_surprise: half an hour of points to one side; 0 = off (0.75)
        CAST(0.7 AS DOUBLE)  AS noise_weight,   -- factor on noise_surprise: the points jump about; 0 = off (0.7)
        CAST(0.7 AS DOUBLE)  AS forest_weight,  -- factor on (forest_score - 50) / 10; 0 = off; without a model it is off (0.7)
        CAST(1.0 AS DOUBLE)  AS own_weight,     -- factor on own_surprise: the detector you write in the step `voted` (1.0)
        CAST(4.0 AS DOUBLE)  AS band_spreads    -- spreads: half width of the band lower..upper; a value within is no anomaly (4.0)
    FROM points AS p
),

-- ------------------------------------------------------------------------------------------------------------------------------
-- Rules: what may be called an anomaly. The first line that matches a point wins, so exceptions go on top.
--   threshold     score 0..100 to reach: how rare under the series' own past. 60 = 1 point in 100, 70 = 1 in 400, 75 = 1 in 1,000, 84 = 1 in 10,000,
--                 90 = 1 in 100,000; 101 = never. Lower = more alarms
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
            WHEN entity_kind = 'client'  AND metric LIKE 'latency_ms%'                      THEN ROW(      75,          0.5,         20.0,         20, 'up')
            -- metrics: what holds for all entities
            WHEN metric LIKE 'latency_ms%'                                                  THEN ROW(      70,         0.25,          5.0,         10, 'up')
            WHEN metric LIKE '%duration_ms%'                                                THEN ROW(      70,         0.25,          5.0,         10, 'up')
            WHEN metric LIKE 'error_ratio%'                                                 THEN ROW(      70,          0.5,         0.02,         10, 'up')
            WHEN metric LIKE 'request_rate%'                                                THEN ROW(      70,          0.5,          0.5,          0, 'both')
            WHEN metric LIKE '%bytes%'                                                      THEN ROW(      80,          0.5,       1000.0,         10, 'both')
            -- everything else: OTLP metrics, CSV files
            ELSE                                                                                 ROW(      67,         0.05,          0.0,          0, 'both')
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

-- The detectors that vote. A vote is a surprise: -log10 of how often the series' own past was as far off; 3 = 1 point in 1,000.
voted AS (
    SELECT
        j.*,
        history_count >= min_history AND raw_deviation IS NOT NULL AND step_surprise IS NOT NULL     AS is_warm,
        CAST(NULL AS DOUBLE)                                                                         AS own_surprise  -- your own: any expression; NULL = no vote
    FROM judged AS j
),

-- The strongest vote counts: one kind of evidence is enough.
combined AS (
    SELECT
        v.*,
        CASE WHEN is_warm THEN
            GREATEST(
                0.0E0,
                season_weight * COALESCE(season_surprise, 0.0E0),
                step_weight   * COALESCE(step_surprise, 0.0E0),
                drift_weight  * COALESCE(drift_surprise, 0.0E0),
                noise_weight  * COALESCE(noise_surprise, 0.0E0),
                forest_weight * COALESCE((raw_forest - 50.0E0) / 10.0E0, 0.0E0),
                own_weight    * COALESCE(own_surprise, 0.0E0)
            )
        END AS surprise
    FROM voted AS v
),

scored AS (
    SELECT
        c.*,
        100.0E0 * (1.0E0 - POWER(10.0E0, -surprise / 5.0E0)) AS score
    FROM combined AS c
),

flagged AS (
    SELECT
        c.*,
        COALESCE(
            score >= c.rule.threshold
            AND (`value` < raw_lower OR `value` > raw_upper)
            AND ABS(`value` - expected) >= c.rule.min_relative * ABS(expected)
            AND ABS(`value` - expected) >= c.rule.min_absolute
            AND (weight IS NULL OR weight >= c.rule.min_weight)
            AND (c.rule.direction = 'both' OR (c.rule.direction = 'up') = (`value` > expected)),
            FALSE
        ) AS is_anomaly
    FROM scored AS c
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
    surprise,
    CASE WHEN is_warm THEN expected END                                              AS expected,
    CASE WHEN is_warm THEN raw_lower END                                             AS `lower`,
    CASE WHEN is_warm THEN raw_upper END                                             AS `upper`,
    is_anomaly,
    ''                                                                               AS reason,  -- '' = the standard sentence where is_anomaly; or write your own
    CASE WHEN is_warm THEN raw_deviation END                                         AS deviation_score,
    CASE WHEN is_warm THEN raw_forest END                                            AS forest_score,
    CASE WHEN is_warm THEN season_surprise END                                       AS season_surprise,
    CASE WHEN is_warm THEN step_surprise END                                         AS step_surprise,
    CASE WHEN is_warm THEN drift_surprise END                                        AS drift_surprise,
    CASE WHEN is_warm THEN noise_surprise END                                        AS noise_surprise,
    rule.threshold                                                                   AS threshold,
    CASE WHEN is_warm THEN GREATEST(rule.min_relative * ABS(expected), rule.min_absolute) END AS min_effect,
    revision,
    emitted_ms
FROM flagged;
