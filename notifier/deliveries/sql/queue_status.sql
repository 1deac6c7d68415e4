-- Return one row for each queue: the number of deliveries by state, the age of the oldest due delivery, and the numbers
-- of workers and dead letters, the breaker, and who paused the queue, when and why.
SELECT q.queue_name,
       coalesce(d.due, 0) AS due, coalesce(d.later, 0) AS later, coalesce(d.sending, 0) AS sending,
       coalesce(d.unknown, 0) AS unknown, coalesce(d.parked, 0) AS parked,
       coalesce(extract(epoch FROM now() - d.oldest), 0)::integer AS oldest,
       (SELECT count(*) FROM lane_status s
        WHERE s.queue_name = q.queue_name AND s.heartbeat_at > now() - interval '30 seconds') AS workers,
       coalesce(letters.dead, 0) AS dead,
       coalesce((SELECT b.code FROM lane_breakers b WHERE b.queue_name = q.queue_name),
                (SELECT string_agg(b.kind || ' ' || b.code, ', ' ORDER BY b.kind)
                 FROM kind_breakers b JOIN delivery_kinds k ON k.kind = b.kind
                 WHERE k.queue_name = q.queue_name)) AS breaker,
       p.paused_by, p.paused_at, p.reason AS pause_reason
FROM unnest(%(queues)s::text[]) AS q (queue_name)
LEFT JOIN lane_pauses p ON p.queue_name = q.queue_name
LEFT JOIN queue_backlog d ON d.queue_name = q.queue_name
LEFT JOIN (SELECT labels[1] AS queue_name, value::bigint AS dead FROM metric_totals WHERE metric = 'open_dead_letters') letters
       ON letters.queue_name = q.queue_name
ORDER BY q.queue_name
