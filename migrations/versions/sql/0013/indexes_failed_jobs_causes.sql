CREATE INDEX CONCURRENTLY IF NOT EXISTS failed_jobs_causes ON failed_jobs (cause, queue_name, job_name, state, failed_at, id);
