CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_unconfirmed_sms ON deliveries (updated_at) WHERE channel = 'sms' AND state IN ('accepted', 'sent');
