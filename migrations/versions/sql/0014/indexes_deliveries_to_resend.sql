CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_to_resend ON deliveries (kind) WHERE state = 'queued' AND resends > 0;
