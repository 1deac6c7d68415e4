-- Return the latest run of each feed and date since a date.
SELECT DISTINCT ON (ingestion_type, ingestion_date)
       id, ingestion_type, ingestion_date AS day, status, records_rejected AS rejected, error_message AS error,
       cardinality(warnings) AS warnings
FROM data_ingestion_logs
WHERE ingestion_date >= %(since)s AND ingestion_type = ANY (%(types)s)
ORDER BY ingestion_type, ingestion_date, started_at DESC
