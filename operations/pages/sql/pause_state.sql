-- Return whether a queue is paused, by whom and why, and how many deliveries or lookups wait in it.
SELECT p.paused_at, p.paused_by, p.reason,
       coalesce(CASE q.queue_name WHEN 'api-property-lookup' THEN b.due + b.later ELSE b.due END, 0) AS due
FROM (SELECT %(queue)s::text AS queue_name) q
LEFT JOIN lane_pauses p USING (queue_name)
LEFT JOIN queue_backlog b USING (queue_name)
