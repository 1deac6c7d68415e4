-- As match_documents.sql, for court files: none of their records has a folio.
CREATE TEMP TABLE addresses_to_match ON COMMIT DROP AS
SELECT l.record_type || ':' || l.case_number || ':' || l.entry AS reference,
       l.case_number AS source_reference, l.record_type, l.entry, l.address, NULL::text AS unit, l.city, l.zip,
       true AS is_new,
       NOT EXISTS (
           SELECT FROM court_records v
           WHERE (v.record_type, v.case_number) = (l.record_type, l.case_number)
             AND v.business_date > %(day)s::date) AS is_newest
FROM court_lines l
WHERE l.ingestion_id = %(ingestion_id)s
  -- A match once made stays, unless the record's address was corrected.
  AND NOT EXISTS (
      SELECT FROM court_records v
      WHERE (v.record_type, v.case_number) = (l.record_type, l.case_number) AND v.property_id IS NOT NULL
        AND (v.address, v.zip) IS NOT DISTINCT FROM (l.address, l.zip));

-- Under another reference: what this file says of a case and what a newer one has said may be two addresses.
INSERT INTO addresses_to_match
SELECT 'again:' || u.record_type || ':' || u.source_reference || ':' || u.entry, u.source_reference, u.record_type,
       u.entry, u.address, u.unit, u.city, u.zip, false, true
FROM unmatched_records u
WHERE u.feed = %(feed)s AND u.address IS NOT NULL
  AND u.business_date BETWEEN %(day)s::date - 90 AND %(day)s::date
  AND NOT EXISTS (
      SELECT FROM addresses_to_match a
      WHERE (a.record_type, a.source_reference, a.entry) = (u.record_type, u.source_reference, u.entry)
        AND a.is_newest);
ANALYZE addresses_to_match
