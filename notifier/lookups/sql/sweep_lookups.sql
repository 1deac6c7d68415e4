-- Find lookups that no worker is handling. There are three possible causes: the worker died during the call, the
-- message was lost, or no worker claimed the lookup in time. While the queue is paused, lookups that wait are found only
-- when they are too old.
WITH pause AS (
    SELECT EXISTS (SELECT FROM lane_pauses WHERE queue_name = 'api-property-lookup') AS is_paused
), stale AS (
    UPDATE lookups SET state = 'queued', not_before = now(), error_code = 'worker_died'
    WHERE state = 'asking' AND asked_at < now() - interval '10 seconds'
    RETURNING id, folio_number, subscriber_id, expires_at > now() AND attempts <= %(retries)s AS is_due
)
SELECT id, folio_number, subscriber_id, is_due, false AS is_paused FROM stale
UNION ALL
SELECT id, folio_number, subscriber_id, expires_at > now(), is_paused FROM lookups CROSS JOIN pause
WHERE state = 'queued' AND (expires_at <= now() OR not_before < now() - interval '1 second' AND NOT is_paused)
