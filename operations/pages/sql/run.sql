-- Return one run.
SELECT l.id, l.ingestion_type, l.ingestion_date AS day, l.run_id, l.status, l.records_processed AS records,
       l.records_rejected AS rejected, l.new_properties, l.updated_properties, l.new_leads_generated AS leads, l.unmatched,
       l.alerts_written AS alerts, l.duration_seconds::float8 AS seconds, l.started_at, l.error_message AS error, l.warnings
FROM data_ingestion_logs l WHERE l.id = %(id)s
