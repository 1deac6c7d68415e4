CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_states ON deliveries (state, id) INCLUDE (kind, not_before)
WHERE state IN ('queued', 'unknown', 'parked', 'undelivered', 'failed', 'dead', 'skipped', 'suppressed', 'expired', 'cancelled');
