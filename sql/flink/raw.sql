-- The raw topic: any supported format, one or many lines per record. Names in braces are filled from the configuration.
-- The broker's append time is the clock of all waits and deadlines; a second of slack covers partitions that are fetched at different times.
CREATE TEMPORARY TABLE raw_records (
    `value`     BYTES,
    `partition` INT              METADATA VIRTUAL,
    `offset`    BIGINT           METADATA VIRTUAL,
    `arrival`   TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR `arrival` AS `arrival` - INTERVAL '1' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = '{{ topic }}',
    'properties.group.id' = '{{ group }}',
    'properties.auto.offset.reset' = 'earliest',
    'scan.startup.mode' = '{{ startup_mode }}',
    'scan.watermark.idle-timeout' = '10 s',
    'scan.topic-partition-discovery.interval' = '30 s',
    'value.format' = 'raw'{% for key, value in properties.items() %},
    'properties.{{ key }}' = '{{ value | replace("'", "''") }}'{% endfor %}
);

-- Lets the watermark follow the wall clock, five seconds behind, while the topic is silent; carries no rows.
CREATE TEMPORARY TABLE heartbeat (
    `id` BIGINT,
    `at` AS CURRENT_TIMESTAMP,
    WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '1',
    'fields.id.kind' = 'random',
    'fields.id.min' = '0'
);
