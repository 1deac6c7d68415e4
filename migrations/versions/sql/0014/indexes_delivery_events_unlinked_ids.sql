CREATE INDEX CONCURRENTLY IF NOT EXISTS delivery_events_unlinked_ids ON delivery_events (provider_id) WHERE applied_at IS NULL AND delivery_id IS NULL AND provider <> 'sendgrid';
