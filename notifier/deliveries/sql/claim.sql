-- Claim due deliveries of one kind, by priority and age. Kinds of deliveries that people wait for come first. While the
-- queue's breaker is open, claim only one trial a minute.
WITH trial AS (
    UPDATE lane_breakers
    SET next_trial_at = now() + make_interval(secs => 60 * %(scale)s)
    WHERE queue_name = %(queue)s AND next_trial_at <= now()
    RETURNING 1
), allowed AS (
    SELECT CASE
        WHEN EXISTS (SELECT FROM trial) THEN 1
        WHEN EXISTS (SELECT FROM lane_breakers WHERE queue_name = %(queue)s) THEN 0
        ELSE %(limit)s
    END AS claim_limit
), due_kind AS (
    SELECT k.kind FROM delivery_kinds k
    WHERE k.kind = ANY (%(kinds)s)
      AND EXISTS (SELECT FROM deliveries d WHERE d.kind = k.kind AND d.state = 'queued' AND d.not_before <= now())
    ORDER BY k.claim_order, k.kind LIMIT 1
), picked AS MATERIALIZED (
    SELECT d.id FROM deliveries d
    WHERE d.kind = (SELECT kind FROM due_kind) AND d.state = 'queued' AND d.not_before <= now()
    ORDER BY d.priority DESC, d.id
    LIMIT (SELECT claim_limit FROM allowed)
    FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d
SET state = 'sending', attempts = d.attempts + 1, claim = %(claim)s,
    claimed_at = statement_timestamp(), updated_at = now()
FROM picked
WHERE d.id = picked.id
RETURNING d.id, d.kind
