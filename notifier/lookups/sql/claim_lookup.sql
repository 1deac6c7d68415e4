-- Takes a question and the unit that its call may cost, in one statement: either both or none. The day's cap and the
-- setting both bind, and whoever comes later waits for the row and then sees what is left.
WITH mine AS MATERIALIZED (
    -- A message that was delayed arrives on time by the clock of its sender, which may run ahead of this one.
    SELECT l.id, l.folio_number, l.created_at, l.expires_at FROM lookups l
    WHERE l.id = %(id)s AND l.state = 'queued' AND l.not_before <= now() + interval '250 milliseconds'
    FOR UPDATE
), known AS (
    -- Answered while this question was being written: it saw neither the other one nor its answer.
    SELECT k.id FROM mine m
    JOIN lookups k ON k.folio_number = m.folio_number AND k.state = 'answered'
                  AND k.finished_at > m.created_at - interval '1 second'
    ORDER BY k.finished_at DESC LIMIT 1
), reserved AS (
    INSERT INTO api_unit_budget AS b (day, used, cap)
    SELECT new_york_day(now()), 1, %(cap)s FROM mine
    WHERE %(cap)s > 0 AND expires_at > now() AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT (day) DO UPDATE SET used = b.used + 1 WHERE b.used < least(b.cap, excluded.cap)
    RETURNING b.day
)
UPDATE lookups l
SET state = CASE WHEN EXISTS (SELECT FROM reserved) THEN 'asking' ELSE l.state END,
    attempts = l.attempts + (SELECT count(*) FROM reserved),
    units_consumed = l.units_consumed + (SELECT count(*) FROM reserved),
    asked_at = now(), asked_on = (SELECT day FROM reserved)
FROM mine
WHERE l.id = mine.id
RETURNING l.id, l.folio_number, l.subscriber_id, l.attempts, (SELECT id FROM known) AS known_id,
          EXISTS (SELECT FROM reserved) AS is_reserved, mine.expires_at <= now() AS is_too_old
