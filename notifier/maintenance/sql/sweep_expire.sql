-- Expire deliveries that are too old to be useful. A delivery's age is measured from the time when the delivery was
-- first due. Rows that another session has locked are left for a later sweep.
WITH old AS MATERIALIZED (
    SELECT d.id FROM deliveries d JOIN delivery_kinds k ON k.kind = d.kind
    WHERE d.state = 'queued' AND d.due_at < now() - k.max_age * %(scale)s
    FOR NO KEY UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d
SET state = 'expired', error_code = 'too_old', updated_at = now()
FROM old WHERE d.id = old.id
RETURNING d.id
