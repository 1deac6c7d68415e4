-- Find the time since which Airflow has run without a break of more than 15 minutes. The query looks back one hour.
-- Airflow writes a row to queue_metrics every five minutes; the result is null if the last hour has no rows.
SELECT max(recorded_at) AS came_up
FROM (
    SELECT recorded_at, lag(recorded_at) OVER (ORDER BY recorded_at) AS before
    FROM queue_metrics
    WHERE recorded_at BETWEEN %(now)s - interval '1 hour' AND %(now)s
) rows
WHERE before IS NULL OR recorded_at - before > interval '15 minutes'
