-- Copy the feed's unmatched records of the last 90 days into waiting_addresses, so that the planner knows how many
-- records there are. All feeds share the table unmatched_records, and the planner's statistics for it may be many runs
-- old. A record that was released, because an operator undid what had matched it, is tried once more whatever its age.
CREATE TEMP TABLE waiting_addresses ON COMMIT DROP AS
SELECT id, source_reference, record_type, entry, address, unit, city, zip FROM unmatched_records
WHERE feed = %(feed)s AND address IS NOT NULL AND business_date <= %(day)s::date
  AND (business_date >= %(day)s::date - 90 OR is_released);
ANALYZE waiting_addresses
