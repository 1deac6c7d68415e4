-- Claim a lookup and reserve a unit for its call, in one statement, so that either both happen or neither does. If the
-- day's cap and the setting differ, the lower value applies. Concurrent claims wait for the locks on the subscriber's
-- row and on the day's row, and then see how many units remain. If another claim takes the day's last unit at the same
-- moment, the subscriber's row counts one unit too many. The extra unit has no effect, because no units are left for
-- anybody that day. While the queue is paused, nothing is claimed.
WITH target AS MATERIALIZED (
    -- Accept a lookup up to 250 ms before it is due, because the worker's clock decides when a delayed message is due
    -- and may run ahead of the database's clock.
    SELECT l.id, l.folio_number, l.subscriber_id, l.created_at, l.expires_at FROM lookups l
    WHERE l.id = %(id)s AND l.state = 'queued' AND l.not_before <= now() + interval '250 milliseconds'
      AND NOT EXISTS (SELECT FROM lane_pauses WHERE queue_name = 'api-property-lookup')
    FOR UPDATE
), known AS (
    -- If another lookup of the same folio finished while request_lookup inserted this row, use that lookup's answer.
    -- request_lookup did not see the answer.
    SELECT k.id FROM target t
    JOIN lookups k ON k.folio_number = t.folio_number AND k.state = 'answered'
                  AND k.finished_at > t.created_at - interval '1 second'
    ORDER BY k.finished_at DESC LIMIT 1
), wanted AS (
    SELECT t.subscriber_id, new_york_day(now()) AS day FROM target t
    WHERE t.expires_at > now() AND %(cap)s > 0 AND NOT EXISTS (SELECT FROM known)
      AND NOT EXISTS (SELECT FROM api_unit_budget b
                      WHERE b.day = new_york_day(now()) AND b.used >= least(b.cap, %(cap)s))
), of_subscriber AS (
    INSERT INTO subscriber_unit_budget AS s (day, subscriber_id, used)
    SELECT day, subscriber_id, 1 FROM wanted WHERE subscriber_id IS NOT NULL AND %(subscriber_cap)s > 0
    ON CONFLICT (day, subscriber_id) DO UPDATE SET used = s.used + 1 WHERE s.used < %(subscriber_cap)s
    RETURNING s.day
), reserved AS (
    INSERT INTO api_unit_budget AS b (day, used, cap)
    SELECT day, 1, %(cap)s FROM wanted WHERE subscriber_id IS NULL OR EXISTS (SELECT FROM of_subscriber)
    ON CONFLICT (day) DO UPDATE SET used = b.used + 1 WHERE b.used < least(b.cap, excluded.cap)
    RETURNING b.day
)
UPDATE lookups l
SET state = CASE WHEN EXISTS (SELECT FROM reserved) THEN 'asking' ELSE l.state END,
    attempts = l.attempts + (SELECT count(*) FROM reserved),
    units_consumed = l.units_consumed + (SELECT count(*) FROM reserved),
    asked_at = now(), asked_on = (SELECT day FROM reserved)
FROM target
WHERE l.id = target.id
RETURNING l.id, l.folio_number, l.subscriber_id, l.attempts, (SELECT id FROM known) AS known_id,
          EXISTS (SELECT FROM wanted WHERE subscriber_id IS NOT NULL) AND NOT EXISTS (SELECT FROM of_subscriber)
              AS is_over_subscriber_cap,
          EXISTS (SELECT FROM reserved) AS is_reserved, target.expires_at <= now() AS is_too_old
