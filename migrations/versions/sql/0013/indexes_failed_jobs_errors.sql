CREATE INDEX CONCURRENTLY IF NOT EXISTS failed_jobs_errors ON failed_jobs
USING gin (error_message gin_trgm_ops, cause gin_trgm_ops);
