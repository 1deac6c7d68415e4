CREATE INDEX CONCURRENTLY IF NOT EXISTS leads_phone_number ON leads (phone_number) WHERE phone_number IS NOT NULL;
