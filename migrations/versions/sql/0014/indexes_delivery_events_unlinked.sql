CREATE INDEX CONCURRENTLY IF NOT EXISTS delivery_events_unlinked ON delivery_events (received_at) WHERE applied_at IS NULL AND delivery_id IS NULL AND provider <> 'sendgrid';
