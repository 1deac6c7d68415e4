-- Return one row for each sample: the metric, its labels' values, and its value. The query reads the counts that triggers
-- keep, and a few rows by an index, so it stays fast as the tables grow.
WITH totals AS MATERIALIZED (
    SELECT metric, labels, value FROM metric_totals
), queues AS (
    SELECT q.queue_name, b.due, b.oldest
    FROM unnest(%(queues)s::text[]) AS q (queue_name)
    LEFT JOIN queue_backlog b ON b.queue_name = q.queue_name
)
SELECT 'notifier_open_deliveries' AS metric, ARRAY[k.channel, k.kind, t.labels[2]] AS labels, t.value::float8 AS value
FROM totals t JOIN delivery_kinds k ON k.kind = t.labels[1] WHERE t.metric = 'open_deliveries'
UNION ALL
SELECT 'notifier_deliveries', ARRAY[k.channel, k.kind, t.labels[2]], t.value
FROM totals t JOIN delivery_kinds k ON k.kind = t.labels[1] WHERE t.metric = 'deliveries'
UNION ALL
SELECT 'notifier_' || metric, labels, value FROM totals
WHERE metric IN ('wait_seconds', 'wait_seconds_sum', 'send_seconds', 'send_seconds_sum', 'callback_lag_seconds',
                 'callback_lag_seconds_sum', 'lookup_seconds', 'lookup_seconds_sum')
UNION ALL
SELECT 'notifier_dead_letters_open', labels, value FROM totals WHERE metric = 'open_dead_letters'
UNION ALL
SELECT 'notifier_' || m.name, '{}', coalesce((SELECT value FROM totals t WHERE t.metric = m.name), 0)
FROM unnest('{open_holds,ledger_drift}'::text[]) AS m (name)
UNION ALL
SELECT 'notifier_queue_due', ARRAY[queue_name], coalesce(due, 0) FROM queues
UNION ALL
SELECT 'notifier_queue_oldest_age_seconds', ARRAY[queue_name], coalesce(extract(epoch FROM now() - oldest), 0) FROM queues
UNION ALL
SELECT 'notifier_lane_processes', ARRAY[q.queue_name], count(s.process_id)
FROM queues q LEFT JOIN lane_status s ON s.queue_name = q.queue_name AND s.heartbeat_at > now() - interval '30 seconds'
GROUP BY q.queue_name
UNION ALL
SELECT 'notifier_breaker_open', ARRAY[q.queue_name], count(b.queue_name)
FROM queues q LEFT JOIN lane_breakers b ON b.queue_name = q.queue_name
GROUP BY q.queue_name
UNION ALL
SELECT 'notifier_queue_paused', ARRAY[q.queue_name], count(p.queue_name)
FROM queues q LEFT JOIN lane_pauses p ON p.queue_name = q.queue_name
GROUP BY q.queue_name
UNION ALL
SELECT 'notifier_kind_breaker_open', ARRAY[kind], 1 FROM kind_breakers
UNION ALL
SELECT 'notifier_calls_in_progress', '{}', count(*)
FROM deliveries WHERE channel = 'voice' AND state IN ('sending', 'accepted', 'sent')
UNION ALL
SELECT 'notifier_events_waiting', '{}', count(*)
FROM (SELECT FROM delivery_events WHERE applied_at IS NULL AND delivery_id IS NOT NULL LIMIT 10000) e
UNION ALL
SELECT 'notifier_units_used', '{}', coalesce((SELECT used FROM api_unit_budget WHERE day = new_york_day(now())), 0)
UNION ALL
SELECT 'notifier_units_cap', '{}',
       coalesce((SELECT cap FROM api_unit_budget WHERE day = new_york_day(now())), %(cap)s)
