-- Mark deliveries as unknown if their worker has died or has taken longer than any request can take. The worker may
-- have sent these deliveries. Rows that another session has locked are left for a later sweep.
WITH stale AS MATERIALIZED (
    SELECT id FROM deliveries
    WHERE state = 'sending' AND claimed_at < now() - make_interval(secs => %(timeout)s + 60 * %(scale)s)
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE deliveries d
SET state = 'unknown', error_code = 'worker_died', updated_at = now()
FROM stale WHERE d.id = stale.id
RETURNING d.id
