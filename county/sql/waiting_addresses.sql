-- Records of the last 90 days that still want a property, with their number known to the planner: what it knows of the
-- table that all feeds share may be many runs old.
CREATE TEMP TABLE waiting_addresses ON COMMIT DROP AS
SELECT id, source_reference, record_type, entry, address, unit, city, zip FROM unmatched_records
WHERE feed = %(feed)s AND address IS NOT NULL AND business_date BETWEEN %(day)s::date - 90 AND %(day)s::date;
ANALYZE waiting_addresses
