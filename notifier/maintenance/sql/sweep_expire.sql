-- Expire deliveries that are too old to be useful. A delivery's age is measured from the time when the delivery was
-- first due. Rows that another session has locked are left for a later sweep, and so is what exceeds the limit.
WITH old AS MATERIALIZED (
    SELECT d.id
    FROM delivery_kinds k
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE kind = k.kind AND state = 'queued' AND due_at < now() - k.max_age * %(scale)s
        ORDER BY due_at LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) d
)
UPDATE deliveries
SET state = 'expired', error_code = 'too_old', updated_at = now()
WHERE id = ANY (ARRAY (SELECT id FROM old))
RETURNING id
