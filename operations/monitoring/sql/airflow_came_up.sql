-- When Airflow began to run without a break of a quarter of an hour, as its rows of every five minutes show it; null
-- when they show nothing of the last hour.
SELECT max(recorded_at) AS came_up
FROM (
    SELECT recorded_at, lag(recorded_at) OVER (ORDER BY recorded_at) AS before
    FROM queue_metrics
    WHERE recorded_at BETWEEN %(now)s - interval '1 hour' AND %(now)s
) rows
WHERE before IS NULL OR recorded_at - before > interval '15 minutes'
