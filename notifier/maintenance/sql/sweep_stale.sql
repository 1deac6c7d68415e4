-- Its worker died while sending, or has been silent for longer than any request takes: the message may have left.
UPDATE deliveries
SET state = 'unknown', error_code = 'worker_died', updated_at = now()
WHERE state = 'sending' AND claimed_at < now() - make_interval(secs => %(timeout)s + 60 * %(scale)s)
RETURNING id
