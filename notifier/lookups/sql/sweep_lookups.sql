-- Find lookups that no worker is handling. There are three possible causes: the worker died during the call, the
-- message was lost, or no worker claimed the lookup in time.
WITH stale AS (
    UPDATE lookups SET state = 'queued', not_before = now(), error_code = 'worker_died'
    WHERE state = 'asking' AND asked_at < now() - interval '10 seconds'
    RETURNING id, folio_number, subscriber_id, expires_at > now() AND attempts <= %(retries)s AS is_due
)
SELECT id, folio_number, subscriber_id, is_due FROM stale
UNION ALL
SELECT id, folio_number, subscriber_id, expires_at > now() FROM lookups
WHERE state = 'queued' AND (expires_at <= now() OR not_before < now() - interval '1 second')
