-- requires: metric_totals
--
-- How much work each queue has. Everything that shows these numbers reads this view: the status command, heartbeats,
-- metrics, the operators' pages and queue_metrics.

CREATE OR REPLACE VIEW queue_backlog AS
    WITH counted AS MATERIALIZED (
        SELECT labels[1] AS kind, labels[2] AS state, value::bigint AS deliveries
        FROM metric_totals WHERE metric = 'open_deliveries'
    ), kinds AS (
        SELECT k.queue_name, k.kind,
               coalesce(sum(c.deliveries) FILTER (WHERE c.state = 'due'), 0) AS due,
               coalesce(sum(c.deliveries) FILTER (WHERE c.state = 'later'), 0) AS later,
               coalesce(sum(c.deliveries) FILTER (WHERE c.state = 'sending'), 0) AS sending,
               coalesce(sum(c.deliveries) FILTER (WHERE c.state = 'unknown'), 0) AS unknown,
               coalesce(sum(c.deliveries) FILTER (WHERE c.state = 'parked'), 0) AS parked
        FROM delivery_kinds k LEFT JOIN counted c USING (kind)
        GROUP BY k.queue_name, k.kind
    )
    -- The leader has not marked these deliveries as due yet. There are many only while no worker runs.
    SELECT k.queue_name, sum(k.due + n.unmarked)::bigint AS due, sum(k.later - n.unmarked)::bigint AS later,
           sum(k.sending)::bigint AS sending, sum(k.unknown)::bigint AS unknown, sum(k.parked)::bigint AS parked,
           least(min(o.oldest), min(n.oldest)) AS oldest
    FROM kinds k
    CROSS JOIN LATERAL (
        SELECT count(*) AS unmarked, min(not_before) AS oldest FROM deliveries d
        WHERE d.kind = k.kind AND d.state = 'queued' AND NOT d.is_due AND d.not_before <= now()
    ) n
    CROSS JOIN LATERAL (
        SELECT min(not_before) AS oldest FROM deliveries d
        WHERE d.kind = k.kind AND d.state = 'queued' AND d.is_due
    ) o
    GROUP BY k.queue_name
    UNION ALL
    SELECT 'api-property-lookup', count(*) FILTER (WHERE state = 'queued' AND not_before <= now()),
           count(*) FILTER (WHERE state = 'queued' AND not_before > now()), count(*) FILTER (WHERE state = 'asking'),
           0, 0, min(not_before) FILTER (WHERE state = 'queued' AND not_before <= now())
    FROM lookups WHERE state IN ('queued', 'asking');
COMMENT ON VIEW queue_backlog IS
    'For each queue, the number of deliveries or lookups that are due now, due later, being sent, of unknown outcome, and '
    'parked, and the time at which the oldest one became due.';
