-- Return the queues that have been paused for longer than an hour, with the number of deliveries and lookups that wait,
-- and the queues whose alert about a pause is to be closed.
WITH long AS (
    SELECT queue_name, paused_at FROM lane_pauses WHERE paused_at < now() - make_interval(hours => 1) * %(scale)s
)
SELECT q.queue_name, l.paused_at,
       coalesce(CASE q.queue_name WHEN 'api-property-lookup' THEN b.due + b.later ELSE b.due END, 0) AS waiting
FROM unnest(%(queues)s::text[], %(causes)s::text[]) AS q (queue_name, cause)
LEFT JOIN long l USING (queue_name)
LEFT JOIN queue_backlog b USING (queue_name)
WHERE l.queue_name IS NOT NULL
   OR EXISTS (SELECT FROM oncall_alerts a WHERE a.fingerprint = q.cause AND a.closed_at IS NULL)
