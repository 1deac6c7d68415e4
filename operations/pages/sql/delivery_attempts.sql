-- Return the latest attempts at a delivery, with what their codes mean. An attempt that waited for a free line has no
-- start.
SELECT a.attempt, a.due_at, a.started_at, a.ended_at, a.outcome, a.code, a.provider_id, c.meaning
FROM delivery_attempts a
LEFT JOIN delivery_codes c ON c.code = a.code
WHERE a.delivery_id = %(id)s
ORDER BY a.id DESC LIMIT %(limit)s
