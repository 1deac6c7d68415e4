-- Return one dead letter, with the state of its delivery.
SELECT f.id, f.queue_name AS queue, f.job_name AS job, f.job_data, f.error_message AS message, f.traceback, f.failed_at,
       f.retry_count, f.state, f.delivery_id, f.cause, d.state AS delivery_state, d.subscriber_id
FROM failed_jobs f LEFT JOIN deliveries d ON d.id = f.delivery_id
WHERE f.id = %(id)s
