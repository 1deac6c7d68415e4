CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_to_expire ON deliveries (kind, due_at) WHERE state = 'queued';
