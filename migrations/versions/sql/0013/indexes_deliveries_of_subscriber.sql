CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_of_subscriber ON deliveries (subscriber_id, created_at, id);
