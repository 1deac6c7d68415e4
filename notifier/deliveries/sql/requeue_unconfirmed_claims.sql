-- Claims whose commit was not answered, and for which therefore nothing was sent; the sweeper may have doubted them too.
UPDATE deliveries
SET state = 'queued', attempts = attempts - 1, claim = NULL, error_code = NULL, updated_at = now()
WHERE claim = ANY (%(keys)s) AND state IN ('sending', 'unknown')
RETURNING id
