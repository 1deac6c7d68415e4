-- Return the ingestion runs that some dead letters belong to.
SELECT f.id, l.id AS run
FROM failed_jobs f
JOIN unnest(%(dag_ids)s::text[], %(types)s::text[]) AS feed (dag_id, ingestion_type) ON feed.dag_id = f.job_name
JOIN data_ingestion_logs l ON l.ingestion_type = feed.ingestion_type AND l.run_id = f.job_data ->> 'run_id'
WHERE f.id = ANY (%(ids)s)
