-- Return the queues that have been paused for longer than an hour, with the number of deliveries and lookups that wait,
-- and the queues whose alert about a pause is to be closed.
WITH long AS (
    SELECT queue_name, paused_at FROM lane_pauses WHERE paused_at < now() - make_interval(hours => 1) * %(scale)s
)
SELECT q.queue_name, l.paused_at,
       CASE WHEN q.queue_name = 'api-property-lookup'
            THEN (SELECT count(*) FROM lookups WHERE state = 'queued')
            ELSE (SELECT count(*) FROM deliveries d JOIN delivery_kinds k USING (kind)
                  WHERE k.queue_name = q.queue_name AND d.state = 'queued' AND d.not_before <= now()) END AS waiting
FROM unnest(%(queues)s::text[], %(causes)s::text[]) AS q (queue_name, cause)
LEFT JOIN long l USING (queue_name)
WHERE l.queue_name IS NOT NULL
   OR EXISTS (SELECT FROM oncall_alerts a WHERE a.fingerprint = q.cause AND a.closed_at IS NULL)
