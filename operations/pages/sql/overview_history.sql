-- Return the samples of the last %(span)s, combined into buckets: jobs completed and failed, and the waits (s).
SELECT queue_name, date_bin(%(bucket)s, recorded_at, timestamptz '2026-01-01') AS moment,
       sum(completed_count)::bigint AS completed, sum(failed_count)::bigint AS failed,
       avg(wait_p50_seconds)::float8 AS p50, max(wait_p95_seconds)::float8 AS p95
FROM queue_metrics
WHERE queue_name = ANY (%(queues)s) AND recorded_at > now() - %(span)s::interval
GROUP BY queue_name, moment
ORDER BY queue_name, moment
