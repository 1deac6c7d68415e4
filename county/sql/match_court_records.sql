-- Collect the addresses of this run's court records and of the waiting records. Court records have no folio. Reads
-- waiting_addresses; creates addresses_to_match.
CREATE TEMP TABLE addresses_to_match ON COMMIT DROP AS
SELECT l.record_type || ':' || l.case_number || ':' || l.entry AS reference,
       l.case_number AS source_reference, l.record_type, l.entry, l.address, NULL::text AS unit, l.city, l.zip,
       NULL::bigint AS waiting_id,
       NOT EXISTS (
           SELECT FROM court_records v
           WHERE (v.record_type, v.case_number) = (l.record_type, l.case_number)
             AND v.business_date > %(day)s::date) AS is_newest
FROM court_lines l
LEFT JOIN LATERAL (
    SELECT true AS found FROM court_records v
    WHERE (v.record_type, v.case_number) = (l.record_type, l.case_number) AND v.property_id IS NOT NULL
      AND (v.address, v.zip) IS NOT DISTINCT FROM (l.address, l.zip)
    LIMIT 1) matched ON true
WHERE l.ingestion_id = %(ingestion_id)s
  -- A record that is already matched is left out, unless its address was corrected.
  AND matched.found IS NULL;

-- Waiting records get their own references, because this file and a newer file may give different addresses for the
-- same case.
INSERT INTO addresses_to_match
SELECT 'again:' || w.record_type || ':' || w.source_reference || ':' || w.entry, w.source_reference, w.record_type,
       w.entry, w.address, w.unit, w.city, w.zip, w.id, true
FROM waiting_addresses w
WHERE NOT EXISTS (
    SELECT FROM addresses_to_match a
    WHERE (a.record_type, a.source_reference, a.entry) = (w.record_type, w.source_reference, w.entry)
      AND a.is_newest);
ANALYZE addresses_to_match
