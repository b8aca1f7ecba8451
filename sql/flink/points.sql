-- The points topic: every message is a JSON array of points, which Flink turns into rows. Names in braces are filled from the configuration.
-- One row per point and revision; the columns are those of the record POINT (schemas/point.py), its times as integers.
CREATE TEMPORARY TABLE points (
    `time_us`           BIGINT,        -- start of the window, epoch microseconds
    `environment`       STRING,        -- deployment environment
    `entity_kind`       STRING,        -- environment, service, route, client, host or metric
    `entity`            STRING,        -- name; a route is 'service METHOD /route'
    `metric`            STRING,        -- e.g. request_rate, error_ratio_backend, latency_ms_p95
    `width_s`           INT,           -- width of the window, seconds; 0 for ready-made metric points
    `value`             DOUBLE,        -- in the unit the metric names; ratios 0..1, rates per second
    `weight`            DOUBLE,        -- events the value rests on
    `expected`          DOUBLE,        -- what the series' own past says; null while warming up
    `spread`            DOUBLE,        -- robust standard deviation around it
    `seasonal_expected` DOUBLE,        -- what the same time of earlier days says; null = unknown
    `history_count`     INT,           -- earlier points the baseline rests on
    `previous`          DOUBLE,        -- value of the point before
    `season_surprise`   DOUBLE,        -- -log10 of how often the series' past was as far from the usual at this time of day; null while warming up
    `step_surprise`     DOUBLE,        -- the same of the distance from the points just before
    `drift_surprise`    DOUBLE,        -- the same of half an hour of points to one side
    `noise_surprise`    DOUBLE,        -- the same of how much the points jump about
    `revision`          BIGINT,        -- 1 + amendments by late data
    `source`            STRING,        -- window, otlp or csv
    `emitted_ms`        BIGINT,        -- broker time at which this revision was made, epoch milliseconds
    `time`              AS TO_TIMESTAMP_LTZ(`time_us` / 1000, 3),  -- for conditions such as HOUR(`time`) < 6
    `emitted_at`        AS TO_TIMESTAMP_LTZ(`emitted_ms`, 3),
    WATERMARK FOR `emitted_at` AS `emitted_at`
) WITH (
    'connector' = 'kafka',
    'topic' = '{{ topic }}',
    'properties.group.id' = '{{ group }}',
    'properties.auto.offset.reset' = 'earliest',
    'scan.startup.mode' = '{{ startup_mode }}',
    'scan.watermark.idle-timeout' = '10 s',
    'value.format' = 'json'{% for key, value in properties.items() %},
    'properties.{{ key }}' = '{{ value }}'{% endfor %}
);
