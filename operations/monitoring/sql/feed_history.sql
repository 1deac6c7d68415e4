-- Summarize the runs of a feed. A run that failed before it recorded its business date counts for the day on which it
-- started.
SELECT min(coalesce(ingestion_date, new_york_day(started_at))) AS first_day,
       max(ingestion_date) FILTER (WHERE status = 'success' AND records_processed > 0) AS newest_data,
       array_agg(DISTINCT coalesce(ingestion_date, new_york_day(started_at))) AS days
FROM data_ingestion_logs
WHERE ingestion_type = %(ingestion_type)s
