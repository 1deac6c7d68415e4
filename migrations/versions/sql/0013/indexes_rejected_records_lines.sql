CREATE INDEX CONCURRENTLY IF NOT EXISTS rejected_records_lines ON rejected_records (feed, business_date, id);
