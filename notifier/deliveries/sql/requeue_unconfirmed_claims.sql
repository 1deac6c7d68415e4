-- Requeue deliveries whose claim was not confirmed, so that no request went out for them. The leader may have marked
-- these deliveries unknown already.
UPDATE deliveries
SET state = 'queued', attempts = attempts - 1, claim = NULL, error_code = NULL, updated_at = now()
WHERE claim = ANY (%(keys)s) AND state IN ('sending', 'unknown')
RETURNING id
