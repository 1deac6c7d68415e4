-- Claim due deliveries of one kind, by priority and age. Delivery kinds that a person is waiting for come first. While
-- the queue's breaker or the kind's breaker is open, claim only one delivery, as a trial, in each trial interval. While
-- the queue is paused, claim nothing. An e-mail that is sent again is claimed alone, because another e-mail in its
-- previous batch may have made the outcome unknown. Rows that another transaction has locked are skipped. The leader marks deliveries as
-- due (is_due) when their time comes, so that deliveries that are due later are not read.
WITH first AS MATERIALIZED (
    SELECT d.id, d.kind, d.resends
    FROM (SELECT kind, claim_order FROM delivery_kinds
          WHERE kind = ANY (%(kinds)s)
            AND NOT EXISTS (SELECT FROM lane_pauses WHERE queue_name = %(queue)s)
            AND NOT EXISTS (SELECT FROM kind_breakers b WHERE b.kind = delivery_kinds.kind AND b.next_trial_at > now())
          ORDER BY claim_order, kind) k
    CROSS JOIN LATERAL (
        SELECT id, kind, resends FROM deliveries
        WHERE kind = k.kind AND state = 'queued' AND is_due AND not_before <= now()
        ORDER BY priority DESC, id LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) d
    ORDER BY k.claim_order, k.kind LIMIT 1
), queue_trial AS (
    UPDATE lane_breakers SET next_trial_at = now() + trial_interval
    WHERE queue_name = %(queue)s AND next_trial_at <= now() AND EXISTS (SELECT FROM first)
    RETURNING 1
), is_queue_open AS (
    SELECT EXISTS (SELECT FROM queue_trial)
        OR NOT EXISTS (SELECT FROM lane_breakers WHERE queue_name = %(queue)s) AS is_open
), kind_trial AS (
    UPDATE kind_breakers SET next_trial_at = now() + trial_interval
    WHERE kind = (SELECT kind FROM first) AND next_trial_at <= now() AND (SELECT is_open FROM is_queue_open)
    RETURNING 1
), allowed AS (
    SELECT CASE
        WHEN NOT (SELECT is_open FROM is_queue_open) THEN 0
        WHEN EXISTS (SELECT FROM kind_breakers WHERE kind = (SELECT kind FROM first))
            THEN (SELECT count(*) FROM kind_trial)
        WHEN EXISTS (SELECT FROM queue_trial) OR (SELECT resends FROM first) > 0 THEN 1
        ELSE %(limit)s
    END AS claim_limit
), others AS MATERIALIZED (
    SELECT d.id FROM deliveries d
    WHERE d.kind = (SELECT kind FROM first) AND d.state = 'queued' AND d.is_due AND d.not_before <= now() AND d.resends = 0
      AND d.id <> (SELECT id FROM first)
    ORDER BY d.priority DESC, d.id
    LIMIT (SELECT greatest(claim_limit - 1, 0) FROM allowed)
    FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d
SET state = 'sending', attempts = d.attempts + 1, claim = %(claim)s,
    claimed_at = statement_timestamp(), updated_at = now()
-- Use an array. With a join, the planner would scan the whole primary key index.
WHERE d.id = ANY (ARRAY (SELECT id FROM first WHERE (SELECT claim_limit FROM allowed) > 0
                         UNION ALL SELECT id FROM others))
RETURNING d.id, d.kind
