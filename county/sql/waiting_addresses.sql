-- Copy the feed's unmatched records of the last 90 days into waiting_addresses, so that the planner knows how many
-- records there are. All feeds share the table unmatched_records, and the planner's statistics for it may be many runs
-- old.
CREATE TEMP TABLE waiting_addresses ON COMMIT DROP AS
SELECT id, source_reference, record_type, entry, address, unit, city, zip FROM unmatched_records
WHERE feed = %(feed)s AND address IS NOT NULL AND business_date BETWEEN %(day)s::date - 90 AND %(day)s::date;
ANALYZE waiting_addresses
