-- Expire deliveries that are too old to be useful. A delivery's age counts from the time when it was first due.
UPDATE deliveries d
SET state = 'expired', error_code = 'too_old', updated_at = now()
FROM delivery_kinds k
WHERE k.kind = d.kind AND d.state = 'queued' AND d.due_at < now() - k.max_age * %(scale)s
RETURNING d.id
