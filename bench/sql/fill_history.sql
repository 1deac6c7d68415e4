-- Write a sample of each queue for each minute of the last 90 days.
INSERT INTO queue_metrics (queue_name, waiting_count, active_count, completed_count, failed_count, oldest_age_seconds, recorded_at)
SELECT q, n %% 50, n %% 7, n %% 90, n %% 3, n %% 60, now() - n * interval '1 min'
FROM unnest(%(queues)s::text[]) AS q CROSS JOIN generate_series(1, %(minutes)s) AS n
