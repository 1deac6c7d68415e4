CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_errors ON deliveries USING gin (error_message gin_trgm_ops)
WHERE error_message IS NOT NULL;
