CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_to_claim ON deliveries (kind, priority DESC, id) WHERE state = 'queued' AND is_due;
