-- One row a queue, from PostgreSQL alone. Queues whose work is a delivery are counted there; of the others the workers'
-- heartbeats tell what waits and runs.
WITH queues AS (
    SELECT queue_name,
           coalesce((SELECT max(m.recorded_at) FROM queue_metrics m WHERE m.queue_name = q.queue_name),
                    now() - interval '5 minutes') AS since
    FROM unnest(%(queues)s::text[]) AS q (queue_name)
), open_deliveries AS (
    SELECT k.queue_name,
           count(*) FILTER (WHERE d.state = 'queued' AND d.not_before <= now()) AS waiting,
           count(*) FILTER (WHERE d.state = 'queued' AND d.not_before > now()) AS delayed,
           count(*) FILTER (WHERE d.state = 'sending') AS active,
           min(d.not_before) FILTER (WHERE d.state = 'queued' AND d.not_before <= now()) AS oldest
    FROM deliveries d JOIN delivery_kinds k USING (kind)
    WHERE d.state IN ('queued', 'sending')
    GROUP BY k.queue_name
), lanes AS (
    SELECT queue_name, max(waiting) AS waiting, sum(active) AS active
    FROM lane_status
    WHERE heartbeat_at > now() - interval '1 minute'
      AND queue_name NOT IN (SELECT queue_name FROM delivery_kinds)
    GROUP BY queue_name
), completed AS (
    SELECT q.queue_name, count(*) AS completed
    FROM queues q
    JOIN delivery_kinds k USING (queue_name)
    JOIN deliveries d ON d.kind = k.kind AND d.accepted_at > q.since
    GROUP BY q.queue_name
    UNION ALL
    SELECT q.queue_name, count(*)
    FROM queues q JOIN miami_dade_api_logs l ON q.queue_name = 'api-property-lookup' AND l.created_at > q.since
    GROUP BY q.queue_name
), dead AS (
    SELECT q.queue_name, count(*) FILTER (WHERE f.failed_at > q.since) AS failed,
           count(*) FILTER (WHERE f.state = 'open') AS dead
    FROM queues q JOIN failed_jobs f USING (queue_name)
    WHERE f.state = 'open' OR f.failed_at > q.since
    GROUP BY q.queue_name
)
INSERT INTO queue_metrics (queue_name, waiting_count, active_count, delayed_count, completed_count, failed_count,
                           dead_count, oldest_age_seconds, recorded_at)
SELECT q.queue_name, coalesce(o.waiting, l.waiting, 0), coalesce(o.active, l.active, 0), coalesce(o.delayed, 0),
       coalesce(c.completed, 0), coalesce(d.failed, 0), coalesce(d.dead, 0), extract(epoch FROM now() - o.oldest), now()
FROM queues q
LEFT JOIN open_deliveries o USING (queue_name)
LEFT JOIN lanes l USING (queue_name)
LEFT JOIN completed c USING (queue_name)
LEFT JOIN dead d USING (queue_name)
