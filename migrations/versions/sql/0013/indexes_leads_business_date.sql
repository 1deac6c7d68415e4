CREATE INDEX CONCURRENTLY IF NOT EXISTS leads_business_date ON leads (business_date);
