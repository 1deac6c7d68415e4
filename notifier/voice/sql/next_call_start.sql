-- Takes the next turn to start a call and says how far (s) it is; the call is asked about when it should be over.
WITH turn AS (
    UPDATE call_pace
    SET next_start_at = greatest(next_start_at, clock_timestamp()) + make_interval(secs => %(pause)s)
    RETURNING next_start_at - make_interval(secs => %(pause)s) AS start_at
), watched AS (
    UPDATE deliveries SET check_at = turn.start_at + make_interval(secs => %(scale)s * %(longest)s)
    FROM turn WHERE id = %(id)s
)
SELECT extract(epoch FROM start_at - clock_timestamp()) AS seconds FROM turn
