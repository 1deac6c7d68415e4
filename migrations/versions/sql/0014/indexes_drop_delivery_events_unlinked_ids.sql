DROP INDEX CONCURRENTLY IF EXISTS delivery_events_unlinked_ids;
