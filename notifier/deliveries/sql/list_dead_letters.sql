-- List the latest dead letters.
SELECT id, state, queue_name, job_name, job_data, error_message, retry_count, failed_at
FROM failed_jobs
WHERE (%(state)s::text IS NULL OR state = %(state)s) AND (%(queue)s::text IS NULL OR queue_name = %(queue)s)
ORDER BY id DESC
LIMIT %(limit)s
