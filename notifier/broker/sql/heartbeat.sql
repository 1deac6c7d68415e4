-- Record a heartbeat for each queue, with the number of waiting deliveries or lookups. The wake-ups in Redis do not show
-- how many deliveries wait.
WITH silent AS (
    DELETE FROM lane_status WHERE heartbeat_at < now() - interval '1 day'
)
INSERT INTO lane_status AS s (process_id, queue_name, waiting, active, heartbeat_at)
SELECT %(process)s, mine.queue_name, coalesce(CASE b.queue_name WHEN 'api-property-lookup' THEN b.due + b.later ELSE b.due END, 0),
       mine.active, now()
FROM unnest(%(queues)s::text[], %(active)s::bigint[]) AS mine (queue_name, active)
LEFT JOIN queue_backlog b ON b.queue_name = mine.queue_name
ON CONFLICT (process_id, queue_name) DO UPDATE
SET waiting = excluded.waiting, active = excluded.active, heartbeat_at = excluded.heartbeat_at
RETURNING s.queue_name, extract(epoch FROM clock_timestamp())::double precision AS clock
