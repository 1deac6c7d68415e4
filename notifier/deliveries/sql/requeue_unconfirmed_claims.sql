-- Requeue deliveries whose claim was not confirmed. No request went out for these deliveries, but the leader may
-- already have marked them as unknown.
UPDATE deliveries
SET state = 'queued', attempts = attempts - 1, claim = NULL, error_code = NULL, updated_at = now()
WHERE claim = ANY (%(keys)s) AND state IN ('sending', 'unknown')
RETURNING id
