-- For each lead on the day's folios, decide whether the reason for the lead still applies, based on all data known
-- now, including data from later days. Reads candidate_folios; creates checked_leads(id, status, has_ended); deletes
-- the slice's rows from pending_folios.
CREATE TEMP TABLE checked_leads ON COMMIT DROP AS
WITH watched_leads AS MATERIALIZED (
    SELECT l.id, l.property_id, l.lead_type, l.lead_date, l.status, l.source_reference, p.folio_number AS folio,
           l.lead_source = %(ingestion_type)s AS ours, string_to_array(l.source_reference, '-') AS reference
    FROM candidate_folios f
    JOIN properties p ON p.folio_number = f.folio
    CROSS JOIN LATERAL (SELECT * FROM leads o WHERE o.property_id = p.id OFFSET 0) l
    WHERE (l.status IN ('new', 'contacted') OR l.status = 'closed' AND l.reopens_as IS NOT NULL)
      -- The reason for a lead that this transaction created can have ended only if data from later days is already
      -- known.
      AND (l.created_at < now() OR EXISTS (SELECT FROM document_versions WHERE business_date > %(day)s::date))
      AND (l.lead_source <> %(ingestion_type)s OR l.source_reference ~ '^\d{1,15}-\d{1,15}-\d{1,15}$')
)
-- A lead from a document ends if the document is deleted, changed or released, or if the property is sold again.
SELECT l.id, l.status,
       (d.cfn_year IS NULL OR sold.found
        OR l.lead_type = 'new_homeowner'
           AND (d.transaction IS DISTINCT FROM 'deed' OR sale_price(d.consideration_1, d.deed_doc_tax) IS NULL)
        OR l.lead_type = 'foreclosure'
           AND (d.transaction IS DISTINCT FROM 'lis_pendens' OR released.found)) IS TRUE AS has_ended
FROM watched_leads l
LEFT JOIN LATERAL (
    SELECT v.*, t.transaction
    FROM document_versions v LEFT JOIN document_types t ON t.code = v.document_code
    WHERE v.cfn_year = l.reference[1]::bigint AND v.cfn_seq = l.reference[2]::bigint
      AND v.group_id = l.reference[3]::bigint AND v.is_live AND v.folio = l.folio
    LIMIT 1) d ON true
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM document_versions n JOIN document_types nt ON nt.code = n.document_code
    WHERE n.folio = l.folio AND n.is_live
      AND (nt.is_conveyance AND sale_price(n.consideration_1, n.deed_doc_tax) IS NOT NULL
           OR nt.transaction = 'certificate_of_title')
      AND (n.recorded_on, n.cfn_year, n.cfn_seq, n.group_id) > (d.recorded_on, d.cfn_year, d.cfn_seq, d.group_id)
    LIMIT 1) sold ON true
LEFT JOIN LATERAL (
    SELECT true AS found FROM releases_of(d.cfn_year, d.cfn_seq, d.case_number, 'infinity')
    WHERE l.lead_type = 'foreclosure'
    LIMIT 1) released ON true
WHERE l.ours
UNION ALL
-- A lead from a court file ends if the property is sold after the lead's date. A closed lead from a court file is
-- reopened only if the property was not sold and the case has not ended.
SELECT l.id, l.status,
       was_sold(l.folio, l.lead_date, 'infinity')
       OR l.status = 'closed' AND EXISTS (SELECT FROM court_files c WHERE c.record_type = l.lead_type) AND (
           NOT EXISTS (
               SELECT FROM court_records v
               WHERE (v.record_type, v.case_number) = (l.lead_type, l.source_reference)
                 AND v.is_live AND v.property_id = l.property_id)
           OR EXISTS (
               SELECT FROM court_records v
               WHERE (v.record_type, v.case_number) = (l.lead_type, l.source_reference) AND v.is_disposed))
FROM watched_leads l
WHERE NOT l.ours;

DELETE FROM pending_folios
WHERE business_date = %(day)s::date
  AND folio >= %(first_folio)s AND (%(end_folio)s::text IS NULL OR folio < %(end_folio)s::text)
