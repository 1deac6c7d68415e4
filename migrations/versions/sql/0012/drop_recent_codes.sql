DROP INDEX CONCURRENTLY IF EXISTS deliveries_recent_codes;
