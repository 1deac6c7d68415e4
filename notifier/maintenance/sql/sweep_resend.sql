-- Resend an e-mail once if its outcome is still unknown after ten minutes. A second copy of an e-mail does little harm.
-- Rows that another session has locked are left for a later sweep.
WITH doubtful AS MATERIALIZED (
    SELECT id FROM deliveries
    WHERE state = 'unknown' AND channel = 'email' AND resends = 0
      AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE deliveries d
SET state = 'queued', resends = resends + 1, not_before = now(), claim = NULL, updated_at = now()
FROM doubtful WHERE d.id = doubtful.id
RETURNING d.id
