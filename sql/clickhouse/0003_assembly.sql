-- Assembly: what transactions carry, and their tables.

-- Why a transaction is incomplete, how sure we were when it was closed, and how long it was held.
ALTER TABLE transactions_data
    ADD COLUMN IF NOT EXISTS moved_count Int32 AFTER late_count,
    ADD COLUMN IF NOT EXISTS orphan_evidence String CODEC(ZSTD(1)) AFTER orphan_kind,
    ADD COLUMN IF NOT EXISTS p_complete Nullable(Float64) CODEC(ZSTD(1)) AFTER closure_reason,
    ADD COLUMN IF NOT EXISTS waited_ms Int64 CODEC(ZSTD(1)) AFTER p_complete,
    ADD COLUMN IF NOT EXISTS merged_into String CODEC(ZSTD(1)) AFTER closed_at;

-- How often and how well each call of the service graph went, and the shape of the tree.
ALTER TABLE transactions_data
    ADD COLUMN IF NOT EXISTS call_counts Array(Int32) CODEC(ZSTD(1)) AFTER calls,
    ADD COLUMN IF NOT EXISTS call_error_counts Array(Int32) CODEC(ZSTD(1)) AFTER call_counts,
    ADD COLUMN IF NOT EXISTS call_duration_ms Array(Float64) CODEC(ZSTD(1)) AFTER call_error_counts,
    ADD COLUMN IF NOT EXISTS retry_count Int32 AFTER error_count,
    ADD COLUMN IF NOT EXISTS depth Int32 AFTER retry_count;

-- What moved on to another transaction still counts as known: the row that knows more wins.
ALTER TABLE transactions_data
    MODIFY COLUMN version UInt64
    MATERIALIZED bitShiftLeft(toUInt64(greatest(event_count + duplicate_count + moved_count, 0)), 24) + toUInt64(greatest(revision, 0));

-- A trace that turned out to belong to a request is no transaction of its own any more.
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
    call_counts,
    call_error_counts,
    call_duration_ms,
    started_at,
    ended_at,
    duration_ms,
    http_response_status_code,
    error_category,
    event_count,
    span_count,
    error_count,
    retry_count,
    depth,
    duplicate_count,
    late_count,
    moved_count,
    orphan_count,
    orphan_kind,
    orphan_evidence,
    closure_reason,
    p_complete,
    waited_ms,
    first_arrived_at,
    closed_at,
    is_error
FROM transactions_data FINAL
WHERE merged_into = '';

-- Edges of the service graph per minute. `time` is a key of every part, so that a filter on it bounds what is read.
-- A callee is virtual where most client spans to its address have no serving child in their minute; callers of roots are virtual.
CREATE OR REPLACE VIEW service_graph AS
SELECT
    time,
    environment,
    caller,
    callee,
    virtual_node,
    toInt64(sum(n)) AS call_count,
    toInt64(sum(n_failed)) AS error_count,
    CAST(sum(total_ms) / sum(n), 'Nullable(Float64)') AS duration_ms
FROM
(
    SELECT
        toStartOfMinute(started_at) AS time,
        environment,
        splitByChar('>', call)[1] AS caller,
        splitByChar('>', call)[2] AS callee,
        '' AS virtual_node,
        toUInt64(sum(calls_made)) AS n,
        toUInt64(sum(calls_failed)) AS n_failed,
        sum(call_ms) AS total_ms
    FROM transactions
    ARRAY JOIN
        calls AS call,
        arrayResize(call_counts, length(calls), toInt32(1)) AS calls_made,
        arrayResize(call_error_counts, length(calls), toInt32(0)) AS calls_failed,
        arrayResize(call_duration_ms, length(calls), toFloat64(0)) AS call_ms
    GROUP BY time, environment, caller, callee
    UNION ALL
    SELECT
        toStartOfMinute(started_at) AS time,
        environment,
        if(root_span_id = '' AND span_count > 0, '(not instrumented)', '(outside)') AS caller,
        toString(root_service) AS callee,
        'caller' AS virtual_node,
        count() AS n,
        countIf(is_error) AS n_failed,
        sum(ifNull(duration_ms, 0)) AS total_ms
    FROM transactions
    WHERE root_service != ''
    GROUP BY time, environment, caller, callee
    UNION ALL
    SELECT
        time,
        environment,
        caller,
        if(address = '', concat('(behind ', caller, ')'), address) AS callee,
        'callee' AS virtual_node,
        count() AS n,
        countIf(failed) AS n_failed,
        sum(ms) AS total_ms
    FROM
    (
        SELECT
            toStartOfMinute(timestamp) AS time,
            transaction_id,
            if(span_kind IN ('server', 'consumer'), parent_span_id, span_id) AS pair,
            anyIf(environment, span_kind IN ('client', 'producer')) AS environment,
            toString(anyIf(service_name, span_kind IN ('client', 'producer'))) AS caller,
            toString(anyIf(server_address, span_kind IN ('client', 'producer'))) AS address,
            toString(anyIf(span_name, span_kind IN ('client', 'producer'))) AS operation,
            countIf(span_kind IN ('client', 'producer')) > 0 AS asked,
            countIf(span_kind IN ('server', 'consumer')) > 0 AS answered,
            countIf(span_kind IN ('client', 'producer') AND error_category != '') > 0 AS failed,
            ifNull(maxIf(duration_ms, span_kind IN ('client', 'producer')), 0) AS ms
        FROM events
        WHERE kind = 'span' AND NOT is_duplicate AND span_kind IN ('client', 'producer', 'server', 'consumer')
        GROUP BY time, transaction_id, pair
    )
    WHERE asked AND caller != ''
    GROUP BY time, environment, caller, address, if(address = '', operation, '')
    HAVING countIf(answered) * 2 < n
)
GROUP BY time, environment, caller, callee, virtual_node;

-- Every edge of the service graph ever seen. Reads all that is kept: ask `service_graph` where a time range will do.
CREATE OR REPLACE VIEW service_edges AS
SELECT
    environment,
    caller,
    callee,
    virtual_node,
    min(time) AS first_seen_at,
    max(time) AS last_seen_at,
    sum(graph.call_count) AS call_count,
    sum(graph.error_count) AS error_count,
    sum(graph.duration_ms * graph.call_count) / sum(graph.call_count) AS duration_ms
FROM service_graph AS graph
GROUP BY environment, caller, callee, virtual_node;

-- Transactions of one client session in order. `date` is a key of every part, so that a filter on it bounds what is read.
-- 30 minutes (1800 seconds) without a step end a session.
CREATE OR REPLACE VIEW journey_steps AS
SELECT
    date,
    environment,
    client,
    arrayMax((begun, at) -> if(begun, at, toDateTime64(0, 6, 'UTC')), arraySlice(begins, 1, place), arraySlice(times, 1, place))
        AS session_started_at,
    toInt64(place - arrayLastIndex(begun -> begun, arraySlice(begins, 1, place)) + 1) AS step_number,
    times[place] AS time,
    tupleElement(steps[place], 2) AS transaction_id,
    tupleElement(steps[place], 3) AS step,
    if(begins[place], '', tupleElement(steps[place - 1], 3)) AS previous_step,
    if(place = length(steps) OR begins[place + 1], '', tupleElement(steps[place + 1], 3)) AS next_step,
    if(place = length(steps) OR begins[place + 1], NULL, dateDiff('millisecond', time, times[place + 1]) / 1000) AS seconds_to_next,
    CAST(tupleElement(steps[place], 4), 'Bool') AS is_error
FROM
(
    SELECT
        date,
        environment,
        client,
        arraySort(groupArray((at, transaction_id, asked, failed))) AS steps,
        arrayMap(one -> tupleElement(one, 1), steps) AS times,
        arrayMap((at, before) -> dateDiff('second', before, at) > 1800, times, arrayPushFront(arrayPopBack(times), toDateTime64(0, 6, 'UTC')))
            AS begins
    FROM
    (
        SELECT
            date,
            transaction_id,
            at,
            tupleElement(led, 1) AS environment,
            trim(replaceAll(concat(tupleElement(led, 2), ' ', tupleElement(led, 3), ' ', tupleElement(led, 4)), '  ', ' ')) AS asked,
            tupleElement(led, 5) != '' AS failed,
            multiIf(known != '', known, tupleElement(met, 1) = '', '', trim(concat(tupleElement(met, 1), ' ', tupleElement(met, 2)))) AS client
        FROM
        (
            SELECT
                toDate(timestamp) AS date,
                transaction_id,
                min(timestamp) AS at,
                argMin(
                    (toString(environment), toString(service_name), toString(http_request_method), toString(http_route),
                     toString(error_category)),
                    (http_route = '', parent_span_id != '', timestamp, -ifNull(duration_ms, 0))
                ) AS led,
                argMin((client_address, toString(user_agent_original)), (client_address = '', timestamp)) AS met,
                multiIf(max(user_id) != '', max(user_id), max(token_id) != '', max(token_id), max(client_id)) AS known
            FROM events
            WHERE kind != 'log' AND NOT is_duplicate AND transaction_id != ''
            GROUP BY date, transaction_id
        )
    )
    WHERE client != '' AND asked != ''
    GROUP BY date, environment, client
)
ARRAY JOIN arrayEnumerate(steps) AS place;

-- Usual paths of clients, from step to step, with the drop at each step (next_step '').
CREATE OR REPLACE VIEW journeys AS
SELECT
    date,
    environment,
    step,
    next_step,
    toInt64(count()) AS transition_count,
    toInt64(uniqExact(client)) AS client_count,
    toInt64(countIf(is_error)) AS error_count,
    CAST(transition_count / sum(transition_count) OVER (PARTITION BY date, environment, step), 'Nullable(Float64)') AS share,
    median(steps.seconds_to_next) AS seconds_to_next
FROM journey_steps AS steps
GROUP BY date, environment, step, next_step;
