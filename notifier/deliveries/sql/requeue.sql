-- Requeue claimed deliveries. A refusal counts as an attempt, and the kind's retry delays determine the wait. When the
-- delays are used up, the delivery becomes dead. If the provider throttled the request (429) or was unavailable, the
-- request does not count as an attempt.
UPDATE deliveries d
SET state = CASE WHEN %(is_attempt)s AND d.attempts > cardinality(k.retry_delays) THEN 'dead' ELSE 'queued' END,
    attempts = d.attempts - CASE WHEN %(is_attempt)s THEN 0 ELSE 1 END,
    not_before = now() + make_interval(secs => CASE
        WHEN %(is_attempt)s THEN %(scale)s * coalesce(k.retry_delays[d.attempts], 0)
        ELSE %(wait)s END),
    error_code = %(code)s, error_message = %(message)s, claim = NULL, updated_at = now()
FROM delivery_kinds k
WHERE k.kind = d.kind AND d.id = ANY (%(ids)s) AND d.claim = %(claim)s AND d.state = ANY (%(from_states)s)
RETURNING d.id, d.state
