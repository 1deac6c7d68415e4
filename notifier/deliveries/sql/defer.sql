-- Requeue claimed deliveries so that they are due at the given time, or after a pause measured by the database's clock.
-- No attempt is counted.
UPDATE deliveries
SET state = 'queued', attempts = attempts - 1,
    not_before = coalesce(%(until)s, now() + make_interval(secs => %(pause)s)),
    error_code = %(code)s, error_message = %(message)s, claim = NULL, updated_at = now()
WHERE id = ANY (%(ids)s) AND claim = %(claim)s AND state = ANY (%(from_states)s)
RETURNING id
