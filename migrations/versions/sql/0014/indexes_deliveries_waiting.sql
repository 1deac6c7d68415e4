CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_waiting ON deliveries (kind, is_due, not_before) WHERE state = 'queued';
