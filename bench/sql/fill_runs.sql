-- Write a run of each feed for each day of the last %(days)s days.
INSERT INTO data_ingestion_logs (ingestion_type, ingestion_date, run_id, records_processed, status, started_at)
SELECT t, current_date - n, t || n, 3000, 'success', now() - n * interval '1 day'
FROM unnest(%(types)s::text[]) AS t CROSS JOIN generate_series(1, %(days)s) AS n
