DROP INDEX CONCURRENTLY IF EXISTS deliveries_unconfirmed_sms;
