DROP INDEX CONCURRENTLY IF EXISTS failed_jobs_subscriber;
