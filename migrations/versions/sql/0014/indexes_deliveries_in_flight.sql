CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_in_flight ON deliveries (state, updated_at) WHERE state IN ('sending', 'unknown');
