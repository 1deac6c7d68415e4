CREATE INDEX CONCURRENTLY IF NOT EXISTS deliveries_recent_codes ON deliveries (claimed_at)
WHERE kind = 'verification_sms' AND recipient IS NOT NULL;
