CREATE INDEX CONCURRENTLY IF NOT EXISTS delivery_events_to_apply ON delivery_events (id) WHERE applied_at IS NULL AND delivery_id IS NOT NULL;
