-- Return whether a queue is paused, by whom and why, and how many deliveries or lookups wait in it.
SELECT p.paused_at, p.paused_by, p.reason,
       CASE WHEN %(queue)s = 'api-property-lookup' THEN (SELECT count(*) FROM lookups WHERE state = 'queued')
       ELSE (SELECT count(*) FROM (
           SELECT FROM deliveries d WHERE d.state = 'queued' AND d.not_before <= now()
              AND d.kind IN (SELECT kind FROM delivery_kinds WHERE queue_name = %(queue)s)
           LIMIT 10001) due) END AS due
FROM (SELECT %(queue)s::text AS queue_name) q LEFT JOIN lane_pauses p USING (queue_name)
