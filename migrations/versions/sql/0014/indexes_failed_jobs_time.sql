CREATE INDEX CONCURRENTLY IF NOT EXISTS failed_jobs_time ON failed_jobs (failed_at);
