-- Return the number of due deliveries in each queue. Deliveries that must be claimed alone are counted separately.
-- Paused queues are left out, and so are queues and kinds whose breaker is open. All calls that are due for a check with
-- Twilio count together as one delivery, even if the queue is paused.
SELECT due.queue_name, sum(due.due) AS due, sum(due.alone) AS alone
FROM (
    SELECT k.queue_name, count(*) FILTER (WHERE d.resends = 0) AS due, count(*) FILTER (WHERE d.resends > 0) AS alone
    FROM delivery_kinds k
    JOIN deliveries d ON d.kind = k.kind AND d.state = 'queued' AND d.not_before <= now()
    WHERE k.kind = ANY (%(kinds)s)
      AND NOT EXISTS (SELECT FROM lane_pauses p WHERE p.queue_name = k.queue_name)
      AND NOT EXISTS (SELECT FROM lane_breakers b WHERE b.queue_name = k.queue_name AND b.next_trial_at > now())
      AND NOT EXISTS (SELECT FROM kind_breakers b WHERE b.kind = k.kind AND b.next_trial_at > now())
    GROUP BY k.queue_name
    UNION ALL
    SELECT k.queue_name, 1, 0
    FROM delivery_kinds k
    WHERE k.kind = 'outbound_call'
      AND EXISTS (SELECT FROM deliveries
                  WHERE channel = 'voice' AND state IN ('unknown', 'accepted', 'sent') AND check_at <= now())
) due
GROUP BY due.queue_name
