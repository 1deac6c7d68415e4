CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_numbers ON deliveries (recipient) WHERE channel <> 'email' AND recipient IS NOT NULL;
