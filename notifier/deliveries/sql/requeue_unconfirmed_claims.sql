-- Requeue claims whose commit was not confirmed, so nothing was sent. The leader may have marked them unknown already.
UPDATE deliveries
SET state = 'queued', attempts = attempts - 1, claim = NULL, error_code = NULL, updated_at = now()
WHERE claim = ANY (%(keys)s) AND state IN ('sending', 'unknown')
RETURNING id
