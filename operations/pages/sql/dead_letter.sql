-- Return one dead letter, and the run that it belongs to if it is a run's.
SELECT f.id, f.queue_name AS queue, f.job_name AS job, f.job_data, f.error_message AS message, f.traceback, f.failed_at,
       f.retry_count, f.state, f.delivery_id, d.state AS delivery_state, d.kind,
       (SELECT l.id FROM data_ingestion_logs l WHERE l.run_id = f.job_data ->> 'run_id' ORDER BY l.id DESC LIMIT 1) AS run
FROM failed_jobs f LEFT JOIN deliveries d ON d.id = f.delivery_id
WHERE f.id = %(id)s
