-- Return the runs of all feeds before an id, newest first.
SELECT l.id, l.ingestion_type, l.ingestion_date AS day, l.run_id, l.status, l.records_processed AS records,
       l.records_rejected AS rejected, l.new_properties, l.updated_properties, l.new_leads_generated AS leads, l.unmatched,
       l.alerts_written AS alerts, l.duration_seconds::float8 AS seconds, l.started_at, cardinality(l.warnings) AS warnings
FROM data_ingestion_logs l
WHERE (%(before)s::bigint IS NULL OR l.id < %(before)s)
  AND (%(type)s::text IS NULL OR l.ingestion_type = %(type)s)
  AND (%(status)s::text IS NULL OR l.status = %(status)s)
  AND (%(since)s::date IS NULL OR l.ingestion_date >= %(since)s)
  AND (%(until)s::date IS NULL OR l.ingestion_date <= %(until)s)
ORDER BY l.id DESC
LIMIT %(limit)s
