-- Return one unmatched record.
SELECT id, feed, business_date AS day, record_type, source_reference, address, unit, city, zip, reason, created_at
FROM unmatched_records WHERE id = %(id)s
