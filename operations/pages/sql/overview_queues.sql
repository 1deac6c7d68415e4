-- Return one row for each queue: deliveries or lookups by state, the age (s) of the oldest that is due, workers, open
-- dead letters, and whether a breaker or an operator has stopped the queue.
WITH kinds AS (
    SELECT k.queue_name, string_agg(b.kind || ' (' || coalesce(b.code, 'unavailable') || ')', ', ' ORDER BY b.kind) AS stopped_kinds
    FROM kind_breakers b JOIN delivery_kinds k ON k.kind = b.kind
    GROUP BY k.queue_name
)
SELECT q.queue_name AS name, coalesce(w.due, 0) AS due, coalesce(w.later, 0) AS deferred,
       coalesce(w.sending, 0) AS sending, coalesce(w.unknown, 0) AS unknown, coalesce(w.parked, 0) AS parked,
       coalesce(extract(epoch FROM now() - w.oldest), 0)::float8 AS oldest,
       (SELECT count(*) FROM lane_status s
        WHERE s.queue_name = q.queue_name AND s.heartbeat_at > now() - interval '30 seconds') AS workers,
       coalesce(letters.dead, 0) AS dead,
       b.code AS breaker_code, b.reason AS breaker_reason, b.opened_at AS breaker_opened_at, b.next_trial_at,
       kinds.stopped_kinds, p.paused_at, p.paused_by, p.reason AS pause_reason
FROM unnest(%(queues)s::text[]) WITH ORDINALITY AS q (queue_name, position)
LEFT JOIN queue_backlog w USING (queue_name)
LEFT JOIN lane_breakers b USING (queue_name)
LEFT JOIN kinds USING (queue_name)
LEFT JOIN lane_pauses p USING (queue_name)
LEFT JOIN (SELECT labels[1] AS queue_name, value::bigint AS dead FROM metric_totals WHERE metric = 'open_dead_letters') letters
       ON letters.queue_name = q.queue_name
ORDER BY q.position
