-- Record a heartbeat for each queue, with the number of waiting deliveries. The statement counts the due rows, because
-- the wake-ups in Redis do not show how many deliveries wait.
WITH silent AS (
    DELETE FROM lane_status WHERE heartbeat_at < now() - interval '1 day'
), due AS (
    SELECT k.queue_name, count(*) AS waiting
    FROM deliveries d JOIN delivery_kinds k ON k.kind = d.kind
    WHERE d.state = 'queued' AND d.not_before <= now()
    GROUP BY k.queue_name
    UNION ALL
    SELECT 'api-property-lookup', count(*) FROM lookups WHERE state = 'queued'
)
INSERT INTO lane_status AS s (process_id, queue_name, waiting, active, heartbeat_at)
SELECT %(process)s, mine.queue_name, coalesce(due.waiting, 0), mine.active, now()
FROM unnest(%(queues)s::text[], %(active)s::bigint[]) AS mine (queue_name, active)
LEFT JOIN due ON due.queue_name = mine.queue_name
ON CONFLICT (process_id, queue_name) DO UPDATE
SET waiting = excluded.waiting, active = excluded.active, heartbeat_at = excluded.heartbeat_at
RETURNING s.queue_name, extract(epoch FROM clock_timestamp())::double precision AS clock
