-- Return how many deliveries are due in each queue, and how many of them must be claimed alone; of these, no more are
-- counted than one kind can use. Paused queues are left out, and so are queues and kinds whose breaker is open. All
-- calls that are due for a check with Twilio count together as one delivery, even if the queue is paused.
SELECT due.queue_name, sum(due.due) AS due, sum(due.alone) AS alone
FROM (
    SELECT k.queue_name, t.value::bigint AS due, a.alone
    FROM metric_totals t
    JOIN delivery_kinds k ON k.kind = t.labels[1]
    CROSS JOIN LATERAL (
        SELECT count(*) AS alone
        FROM (SELECT FROM deliveries d WHERE d.kind = k.kind AND d.state = 'queued' AND d.resends > 0 AND d.is_due LIMIT 100) d
    ) a
    WHERE t.metric = 'open_deliveries' AND t.labels[2] = 'due' AND t.value > 0 AND k.kind = ANY (%(kinds)s)
      AND NOT EXISTS (SELECT FROM lane_pauses p WHERE p.queue_name = k.queue_name)
      AND NOT EXISTS (SELECT FROM lane_breakers b WHERE b.queue_name = k.queue_name AND b.next_trial_at > now())
      AND NOT EXISTS (SELECT FROM kind_breakers b WHERE b.kind = k.kind AND b.next_trial_at > now())
    UNION ALL
    SELECT k.queue_name, 1, 0
    FROM delivery_kinds k
    WHERE k.kind = 'outbound_call'
      AND EXISTS (SELECT FROM deliveries
                  WHERE channel = 'voice' AND state IN ('unknown', 'accepted', 'sent') AND check_at <= now())
) due
GROUP BY due.queue_name
