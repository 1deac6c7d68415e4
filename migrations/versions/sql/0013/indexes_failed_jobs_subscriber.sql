CREATE INDEX CONCURRENTLY IF NOT EXISTS failed_jobs_subscriber ON failed_jobs ((job_data ->> 'subscriber_id'));
