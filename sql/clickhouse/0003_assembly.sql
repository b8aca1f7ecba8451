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
