-- The worker that claimed it has died, or has taken longer than any request takes: it may have been sent.
UPDATE deliveries
SET state = 'unknown', error_code = 'worker_died', updated_at = now()
WHERE state = 'sending' AND claimed_at < now() - make_interval(secs => %(timeout)s + 60 * %(scale)s)
RETURNING id
