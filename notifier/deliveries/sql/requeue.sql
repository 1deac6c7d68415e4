-- Back to the queue. A refusal has used a try and waits as its kind's table says, until the table ends; waiting that
-- was asked for (429) or a provider that refuses everybody costs none.
UPDATE deliveries d
SET state = CASE WHEN %(costs_a_try)s AND d.attempts > cardinality(k.retry_delays) THEN 'dead' ELSE 'queued' END,
    attempts = d.attempts - CASE WHEN %(costs_a_try)s THEN 0 ELSE 1 END,
    not_before = now() + make_interval(secs => CASE
        WHEN %(costs_a_try)s THEN %(scale)s * coalesce(k.retry_delays[d.attempts], 0)
        ELSE %(wait)s END),
    error_code = %(code)s, error_message = %(message)s, claim = NULL, updated_at = now()
FROM delivery_kinds k
WHERE k.kind = d.kind AND d.id = ANY (%(ids)s) AND d.claim = %(claim)s AND d.state = ANY (%(from_states)s)
RETURNING d.id, d.state
