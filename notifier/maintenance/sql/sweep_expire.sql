-- Too old to be of use. The age is counted from when a delivery was first due.
UPDATE deliveries d
SET state = 'expired', error_code = 'too_old', updated_at = now()
FROM delivery_kinds k
WHERE k.kind = d.kind AND d.state = 'queued' AND d.due_at < now() - k.max_age * %(scale)s
RETURNING d.id
