-- Return one row for each sample: the metric, its labels' values, and its value. Every part of the query uses an index
-- or reads only rows from the last day, so that the query stays fast as the tables grow.
WITH recent AS MATERIALIZED (
    SELECT channel, kind, state, attempts, due_at, claimed_at, accepted_at
    FROM deliveries WHERE created_at > now() - interval '24 hours'
), unfinished AS MATERIALIZED (
    SELECT d.channel, d.kind, k.queue_name, d.state, d.created_at, d.not_before
    FROM deliveries d JOIN delivery_kinds k USING (kind)
    WHERE d.state IN ('queued', 'unknown')
    UNION ALL
    SELECT d.channel, d.kind, k.queue_name, d.state, d.created_at, d.not_before
    FROM deliveries d JOIN delivery_kinds k USING (kind)
    WHERE d.state = 'sending'
), due AS MATERIALIZED (
    SELECT queue_name, not_before FROM unfinished WHERE state = 'queued' AND not_before <= now()
    UNION ALL
    SELECT 'api-property-lookup', not_before FROM lookups WHERE state = 'queued' AND not_before <= now()
), queues AS (
    SELECT unnest(%(queues)s::text[]) AS queue_name
), waits AS (
    SELECT channel, kind, extract(epoch FROM claimed_at - due_at) AS seconds
    FROM recent WHERE attempts = 1 AND claimed_at > now() - interval '1 hour' AND claimed_at >= due_at
), sends AS (
    SELECT channel, kind, extract(epoch FROM accepted_at - claimed_at) AS seconds
    FROM recent WHERE accepted_at > now() - interval '1 hour' AND accepted_at >= claimed_at
), lags AS (
    SELECT provider, extract(epoch FROM received_at - occurred_at) AS seconds
    FROM delivery_events WHERE received_at > now() - interval '1 hour' AND received_at >= occurred_at
), answers AS (
    SELECT extract(epoch FROM finished_at - created_at) AS seconds
    FROM lookups WHERE state = 'answered' AND finished_at > now() - interval '1 hour'
), quantiles AS (
    SELECT unnest('{0.5,0.95,0.99}'::float8[]) AS quantile
)
SELECT 'notifier_deliveries' AS metric, ARRAY[channel, kind, state] AS labels, count(*)::float8 AS value
FROM (
    SELECT channel, kind, state FROM recent
    UNION ALL
    SELECT channel, kind, state FROM unfinished WHERE created_at <= now() - interval '24 hours'
) AS counted GROUP BY channel, kind, state
UNION ALL
SELECT 'notifier_wait_seconds', ARRAY[channel, kind, quantile::text],
       percentile_cont(quantile) WITHIN GROUP (ORDER BY seconds)
FROM waits, quantiles GROUP BY channel, kind, quantile
UNION ALL
SELECT 'notifier_send_seconds', ARRAY[channel, kind, quantile::text],
       percentile_cont(quantile) WITHIN GROUP (ORDER BY seconds)
FROM sends, quantiles GROUP BY channel, kind, quantile
UNION ALL
SELECT 'notifier_callback_lag_seconds', ARRAY[provider, quantile::text],
       percentile_cont(quantile) WITHIN GROUP (ORDER BY seconds)
FROM lags, quantiles GROUP BY provider, quantile
UNION ALL
SELECT 'notifier_lookup_seconds', ARRAY[quantile::text], percentile_cont(quantile) WITHIN GROUP (ORDER BY seconds)
FROM answers, quantiles GROUP BY quantile
UNION ALL
SELECT 'notifier_queue_due', ARRAY[q.queue_name], count(d.queue_name)
FROM queues q LEFT JOIN due d ON d.queue_name = q.queue_name
GROUP BY q.queue_name
UNION ALL
SELECT 'notifier_queue_oldest_age_seconds', ARRAY[q.queue_name],
       coalesce(extract(epoch FROM now() - min(d.not_before)), 0)
FROM queues q LEFT JOIN due d ON d.queue_name = q.queue_name
GROUP BY q.queue_name
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
SELECT 'notifier_unknown', '{}', count(*) FROM unfinished WHERE state = 'unknown'
UNION ALL
SELECT 'notifier_parked', '{}', count(*) FROM deliveries WHERE state = 'parked'
UNION ALL
SELECT 'notifier_dead_letters_open', ARRAY[coalesce(queue_name, '')], count(*)
FROM failed_jobs WHERE state = 'open' GROUP BY queue_name
UNION ALL
SELECT 'notifier_calls_in_progress', '{}', count(*)
FROM deliveries WHERE channel = 'voice' AND state IN ('sending', 'accepted', 'sent')
UNION ALL
SELECT 'notifier_events_waiting', '{}', count(*)
FROM delivery_events WHERE applied_at IS NULL AND delivery_id IS NOT NULL
UNION ALL
SELECT 'notifier_units_used', '{}', coalesce((SELECT used FROM api_unit_budget WHERE day = new_york_day(now())), 0)
UNION ALL
SELECT 'notifier_units_cap', '{}',
       coalesce((SELECT cap FROM api_unit_budget WHERE day = new_york_day(now())), %(cap)s)
