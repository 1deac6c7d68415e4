CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_codes ON deliveries (error_code, id) WHERE error_code IS NOT NULL;
