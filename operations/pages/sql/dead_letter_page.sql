-- Return the dead letters whose ids another statement finds, the newest first.
WITH found AS MATERIALIZED ({ids})
SELECT f.id, f.queue_name AS queue, f.job_name AS job, f.state, f.job_data ->> 'code' AS code, f.error_message AS message,
       f.cause, f.failed_at, f.retry_count, f.delivery_id,
       d.state AS delivery_state, d.subscriber_id
FROM found
JOIN failed_jobs f ON f.id = found.id
LEFT JOIN deliveries d ON d.id = f.delivery_id
ORDER BY f.id DESC
