-- Insert one row for each queue, from data in PostgreSQL only. Waiting and active jobs have rows in the table
-- deliveries or lookups. Admin alerts have no rows in these tables. Active admin alerts are counted from the workers'
-- heartbeats, and sent admin alerts are counted from oncall_alerts. Waits are measured from the time when an attempt was
-- due to its start. They come from the attempts that ended, and the lookups that were asked, since the previous row.
WITH queues AS (
    SELECT queue_name,
           coalesce((SELECT max(m.recorded_at) FROM queue_metrics m WHERE m.queue_name = q.queue_name),
                    now() - interval '5 minutes') AS since
    FROM unnest(%(queues)s::text[]) AS q (queue_name)
), lanes AS (
    SELECT queue_name, sum(active) AS active
    FROM lane_status
    WHERE queue_name = 'admin-alerts' AND heartbeat_at > now() - interval '1 minute'
    GROUP BY queue_name
), completed AS (
    -- With the upper bounds here and below, the planner expects few rows and uses indexes, also in very large tables.
    SELECT q.queue_name, sum(d.completed) AS completed
    FROM queues q
    JOIN delivery_kinds k USING (queue_name)
    CROSS JOIN LATERAL (
        SELECT count(*) AS completed FROM deliveries d
        WHERE d.kind = k.kind AND d.accepted_at > q.since AND d.accepted_at <= now()
    ) d
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
), recent AS MATERIALIZED (
    SELECT a.delivery_id, a.ended_at, extract(epoch FROM a.started_at - a.due_at) AS seconds
    FROM delivery_attempts a
    WHERE a.ended_at > (SELECT min(since) FROM queues) AND a.ended_at <= now() AND a.started_at >= a.due_at
), waited AS (
    SELECT q.queue_name, r.seconds
    FROM recent r
    CROSS JOIN LATERAL (SELECT d.kind FROM deliveries d WHERE d.id = r.delivery_id OFFSET 0) d
    JOIN delivery_kinds k ON k.kind = d.kind
    JOIN queues q ON q.queue_name = k.queue_name AND r.ended_at > q.since
    UNION ALL
    -- A lookup that was asked and is due again for its next call does not count, because its due time is overwritten. A
    -- worker may claim a lookup up to 250 ms before it is due.
    SELECT q.queue_name, greatest(extract(epoch FROM l.asked_at - l.not_before), 0)
    FROM queues q
    JOIN lookups l ON q.queue_name = 'api-property-lookup' AND l.attempts > 0 AND l.asked_at > q.since
                  AND l.asked_at >= l.not_before - interval '250 milliseconds'
), waits AS (
    SELECT queue_name, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
    FROM waited GROUP BY queue_name
), failed AS (
    SELECT q.queue_name, count(*) AS failed
    FROM queues q JOIN failed_jobs f ON f.queue_name = q.queue_name AND f.failed_at > q.since
    GROUP BY q.queue_name
), dead AS (
    SELECT labels[1] AS queue_name, value::bigint AS dead FROM metric_totals WHERE metric = 'open_dead_letters'
)
INSERT INTO queue_metrics (queue_name, waiting_count, active_count, delayed_count, completed_count, failed_count,
                           dead_count, oldest_age_seconds, wait_p50_seconds, wait_p95_seconds, recorded_at)
SELECT q.queue_name, coalesce(b.due, 0), coalesce(b.sending, l.active, 0), coalesce(b.later, 0),
       coalesce(c.completed, 0), coalesce(f.failed, 0), coalesce(d.dead, 0), extract(epoch FROM now() - b.oldest),
       w.p50, w.p95, now()
FROM queues q
LEFT JOIN queue_backlog b USING (queue_name)
LEFT JOIN lanes l USING (queue_name)
LEFT JOIN completed c USING (queue_name)
LEFT JOIN failed f USING (queue_name)
LEFT JOIN dead d USING (queue_name)
LEFT JOIN waits w USING (queue_name)
