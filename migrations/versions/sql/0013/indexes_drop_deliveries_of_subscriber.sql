DROP INDEX CONCURRENTLY IF EXISTS deliveries_of_subscriber;
