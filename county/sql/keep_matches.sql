-- Store the matches for the merge step. Store the records without a match, so that later runs can match them and a
-- person can review them. Reads addresses_to_match and address_matches; writes matched_records and unmatched_records.
DELETE FROM matched_records WHERE ingestion_id = %(ingestion_id)s;
INSERT INTO matched_records (ingestion_id, source_reference, address, folio, decision_id)
SELECT %(ingestion_id)s, reference, a.address, m.folio, m.decision_id
FROM address_matches m JOIN addresses_to_match a USING (reference)
WHERE m.folio IS NOT NULL;

INSERT INTO unmatched_records AS u (feed, business_date, source_reference, record_type, entry,
                                    address, unit, city, zip, reason, candidates)
SELECT %(feed)s, %(day)s::date, a.source_reference, a.record_type, a.entry,
       a.address, a.unit, a.city, a.zip, m.reason, m.candidates
FROM address_matches m JOIN addresses_to_match a USING (reference)
WHERE m.folio IS NULL AND a.waiting_id IS NULL AND a.is_newest
ON CONFLICT (feed, source_reference, record_type, entry) DO UPDATE
SET address = excluded.address, unit = excluded.unit, city = excluded.city, zip = excluded.zip,
    reason = excluded.reason, candidates = excluded.candidates
WHERE (u.address, u.unit, u.city, u.zip, u.reason, u.candidates)
      IS DISTINCT FROM
      (excluded.address, excluded.unit, excluded.city, excluded.zip, excluded.reason, excluded.candidates);

UPDATE unmatched_records u
SET reason = m.reason, candidates = m.candidates
FROM address_matches m JOIN addresses_to_match a USING (reference)
WHERE m.folio IS NULL AND u.id = a.waiting_id
  AND (u.reason, u.candidates) IS DISTINCT FROM (m.reason, m.candidates);

UPDATE data_ingestion_logs
SET unmatched = (SELECT count(*) FROM address_matches m JOIN addresses_to_match a USING (reference)
                 WHERE m.folio IS NULL AND a.waiting_id IS NULL)
WHERE id = %(ingestion_id)s;

SELECT count(*) FILTER (WHERE folio IS NOT NULL) AS matched, count(*) FILTER (WHERE folio IS NULL) AS unmatched
FROM address_matches
