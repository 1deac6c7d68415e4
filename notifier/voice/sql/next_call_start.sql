-- Reserve the next start time for a call, and return the number of seconds until that time. Also schedule a check with
-- Twilio for the time when the call should be over.
WITH turn AS (
    UPDATE call_pace
    SET next_start_at = greatest(next_start_at, clock_timestamp()) + make_interval(secs => %(pause)s)
    RETURNING next_start_at - make_interval(secs => %(pause)s) AS start_at
), scheduled_check AS (
    UPDATE deliveries SET check_at = turn.start_at + make_interval(secs => %(scale)s * %(longest)s)
    FROM turn WHERE id = %(id)s
)
SELECT extract(epoch FROM start_at - clock_timestamp()) AS seconds FROM turn
