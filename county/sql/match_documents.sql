-- Collect the addresses of documents without a folio, from this run and from the waiting records of the last 90 days.
-- Reads waiting_addresses; creates addresses_to_match.
CREATE TEMP TABLE addresses_to_match ON COMMIT DROP AS
WITH newest AS (
    SELECT DISTINCT ON (s.cfn_year, s.cfn_seq, s.group_id)
           s.cfn_year, s.cfn_seq, s.group_id, s.document_code, s.transaction_type,
           s.property_address, s.property_city, s.property_zip
    FROM staging_official_records s
    WHERE s.ingestion_id = %(ingestion_id)s AND s.folio_number IS NULL
    ORDER BY s.cfn_year, s.cfn_seq, s.group_id, s.line_number DESC
)
SELECT n.cfn_year || '-' || n.cfn_seq || '-' || n.group_id AS reference,
       n.cfn_year || '-' || n.cfn_seq || '-' || n.group_id AS source_reference, 'document' AS record_type, 1 AS entry,
       n.property_address AS address, NULL::text AS unit, n.property_city AS city, n.property_zip AS zip,
       NULL::bigint AS waiting_id, true AS is_newest
FROM newest n
LEFT JOIN document_types t ON t.code = n.document_code
-- LATERAL with LIMIT makes the planner use one index lookup for each document. With a plain join, the planner would
-- expect only one matched document until its statistics contain matches.
LEFT JOIN LATERAL (
    SELECT true AS found FROM document_versions v
    WHERE (v.cfn_year, v.cfn_seq, v.group_id) = (n.cfn_year, n.cfn_seq, n.group_id)
      AND v.matched_folio IS NOT NULL AND v.property_address IS NOT DISTINCT FROM n.property_address
    LIMIT 1) matched ON true
WHERE n.transaction_type <> 'D'
  -- A document that concerns no property and has no address is left out, because a person could not match it either.
  AND (n.property_address IS NOT NULL OR t.is_conveyance OR t.transaction IN ('lis_pendens', 'mortgage'))
  -- A document that is already matched is left out, unless its address was corrected.
  AND matched.found IS NULL;

INSERT INTO addresses_to_match
SELECT w.source_reference, w.source_reference, w.record_type, w.entry, w.address, w.unit, w.city, w.zip, w.id, true
FROM waiting_addresses w
WHERE NOT EXISTS (SELECT FROM addresses_to_match a WHERE a.reference = w.source_reference);
ANALYZE addresses_to_match
