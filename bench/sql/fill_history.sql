-- Write a sample of each queue for every five minutes of the last 90 days.
INSERT INTO queue_metrics (queue_name, waiting_count, active_count, completed_count, failed_count, oldest_age_seconds, recorded_at)
SELECT q, n %% 50, n %% 7, n %% 90, n %% 3, n %% 60, now() - n * interval '5 min'
FROM unnest(%(queues)s::text[]) AS q CROSS JOIN generate_series(1, %(samples)s) AS n
