-- Mark deliveries as unknown if their worker has died, or took longer than any request can take: the worker may have
-- sent them.
UPDATE deliveries
SET state = 'unknown', error_code = 'worker_died', updated_at = now()
WHERE state = 'sending' AND claimed_at < now() - make_interval(secs => %(timeout)s + 60 * %(scale)s)
RETURNING id
