-- Return why an inbound call must not be answered, or null if it may be answered. For each subscriber, all callers who
-- withhold their numbers count as one caller.
WITH answered AS (
    SELECT subscriber_id, sender, state, accepted_at FROM deliveries
    WHERE kind = 'inbound_call' AND dedupe_key <> 'inbound:' || %(sid)s
      AND accepted_at > now() - make_interval(secs => greatest(3600, %(longest)s))
)
SELECT CASE
    WHEN EXISTS (SELECT FROM suppressions WHERE channel = 'voice' AND address = %(caller)s) THEN 'suppressed'
    WHEN (SELECT count(*) FROM answered
          WHERE subscriber_id = %(subscriber)s AND state IN ('accepted', 'sent')
            AND accepted_at > now() - make_interval(secs => %(longest)s)) >= %(lines)s THEN 'lines_busy'
    WHEN (SELECT count(*) FROM answered
          WHERE sender = %(caller)s AND (%(caller)s LIKE '+%%' OR subscriber_id = %(subscriber)s)
            AND accepted_at > now() - interval '1 hour') >= %(calls)s THEN 'caller_limit'
    WHEN (SELECT count(*) FROM answered
          WHERE subscriber_id = %(subscriber)s AND accepted_at > now() - interval '1 hour') >= %(subscriber_calls)s
        THEN 'subscriber_limit'
END AS reason
