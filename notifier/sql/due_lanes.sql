-- How much is due in each lane whose provider takes something.
SELECT k.queue_name, count(*) AS due
FROM delivery_kinds k
JOIN deliveries d ON d.kind = k.kind AND d.state = 'queued' AND d.not_before <= now()
WHERE k.kind = ANY (%(kinds)s)
  AND NOT EXISTS (SELECT FROM lane_breakers b WHERE b.queue_name = k.queue_name AND b.next_trial_at > now())
GROUP BY k.queue_name
