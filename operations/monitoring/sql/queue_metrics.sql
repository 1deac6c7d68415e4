-- Insert one row for each queue, from data in PostgreSQL only. Waiting and active jobs have rows in the table
-- deliveries or lookups. Admin alerts have no rows in these tables. Active admin alerts are counted from the workers'
-- heartbeats, and sent admin alerts are counted from oncall_alerts.
WITH queues AS (
    SELECT queue_name,
           coalesce((SELECT max(m.recorded_at) FROM queue_metrics m WHERE m.queue_name = q.queue_name),
                    now() - interval '5 minutes') AS since
    FROM unnest(%(queues)s::text[]) AS q (queue_name)
), work AS (
    SELECT k.queue_name, d.state, d.not_before
    FROM deliveries d JOIN delivery_kinds k USING (kind)
    WHERE d.state = 'queued'
    UNION ALL
    SELECT k.queue_name, d.state, d.not_before
    FROM deliveries d JOIN delivery_kinds k USING (kind)
    WHERE d.state = 'sending'
    UNION ALL
    SELECT 'api-property-lookup', l.state, l.not_before FROM lookups l WHERE l.state IN ('queued', 'asking')
), open_work AS (
    SELECT queue_name,
           count(*) FILTER (WHERE state = 'queued' AND not_before <= now()) AS waiting,
           count(*) FILTER (WHERE state = 'queued' AND not_before > now()) AS delayed,
           count(*) FILTER (WHERE state <> 'queued') AS active,
           min(not_before) FILTER (WHERE state = 'queued' AND not_before <= now()) AS oldest
    FROM work GROUP BY queue_name
), lanes AS (
    SELECT queue_name, sum(active) AS active
    FROM lane_status
    WHERE queue_name = 'admin-alerts' AND heartbeat_at > now() - interval '1 minute'
    GROUP BY queue_name
), completed AS (
    SELECT q.queue_name, count(*) AS completed
    FROM queues q
    JOIN delivery_kinds k USING (queue_name)
    JOIN deliveries d ON d.kind = k.kind AND d.accepted_at > q.since
    GROUP BY q.queue_name
    UNION ALL
    SELECT q.queue_name, count(*)
    FROM queues q
    JOIN lookups l ON q.queue_name = 'api-property-lookup' AND l.state = 'answered' AND l.finished_at > q.since
    GROUP BY q.queue_name
    UNION ALL
    SELECT q.queue_name, count(*)
    FROM queues q
    JOIN oncall_alerts a ON q.queue_name = 'admin-alerts' AND a.last_sent_at > q.since
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
SELECT q.queue_name, coalesce(o.waiting, 0), coalesce(o.active, l.active, 0), coalesce(o.delayed, 0),
       coalesce(c.completed, 0), coalesce(d.failed, 0), coalesce(d.dead, 0), extract(epoch FROM now() - o.oldest), now()
FROM queues q
LEFT JOIN open_work o USING (queue_name)
LEFT JOIN lanes l USING (queue_name)
LEFT JOIN completed c USING (queue_name)
LEFT JOIN dead d USING (queue_name)
