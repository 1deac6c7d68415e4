-- As merge_parties.sql, for documents. In the Clerk's own file a deleted row ends a party, and a document only
-- with the last of them: such rows are no version of the document.
CREATE TEMP TABLE incoming_documents ON COMMIT DROP AS
SELECT DISTINCT ON (s.cfn_year, s.cfn_seq, s.group_id)
       s.cfn_year, s.cfn_seq, s.group_id, s.line_number, s.document_code, s.case_number, s.recorded_on,
       s.folio_number,
       CASE WHEN s.folio_number IS NULL THEN coalesce(m.folio, known.matched_folio) END AS matched_folio,
       s.property_address, s.property_city, s.property_zip, s.consideration_1, s.deed_doc_tax,
       s.original_cfn_year, s.original_cfn_seq, s.row_key IS NOT NULL AS has_row_keys, s.transaction_type
FROM staging_official_records s
LEFT JOIN matched_records m
       ON s.folio_number IS NULL AND m.ingestion_id = %(ingestion_id)s
      AND m.source_reference = s.cfn_year || '-' || s.cfn_seq || '-' || s.group_id
LEFT JOIN LATERAL (
    SELECT v.matched_folio FROM document_versions v
    WHERE s.folio_number IS NULL AND v.matched_folio IS NOT NULL
      AND (v.cfn_year, v.cfn_seq, v.group_id) = (s.cfn_year, s.cfn_seq, s.group_id)
      AND v.property_address IS NOT DISTINCT FROM s.property_address
    ORDER BY v.business_date DESC LIMIT 1) known ON s.folio_number IS NULL
WHERE s.ingestion_id = %(ingestion_id)s AND (s.row_key IS NULL OR s.transaction_type <> 'D')
ORDER BY s.cfn_year, s.cfn_seq, s.group_id, s.line_number DESC;
ANALYZE incoming_documents;

CREATE TEMP TABLE changed_documents ON COMMIT DROP AS
SELECT i.*, v.folio AS former_folio
FROM incoming_documents i
LEFT JOIN document_versions v
       ON (v.cfn_year, v.cfn_seq, v.group_id) = (i.cfn_year, i.cfn_seq, i.group_id)
      AND v.business_date = %(day)s::date
WHERE v.cfn_year IS NULL
   OR (v.line_number, v.document_code, v.case_number, v.recorded_on, v.folio_number, v.matched_folio,
       v.property_address, v.property_city, v.property_zip, v.consideration_1, v.deed_doc_tax,
       v.original_cfn_year, v.original_cfn_seq, v.has_row_keys, v.transaction_type)
      IS DISTINCT FROM
      (i.line_number, i.document_code, i.case_number, i.recorded_on, i.folio_number, i.matched_folio,
       i.property_address, i.property_city, i.property_zip, i.consideration_1, i.deed_doc_tax,
       i.original_cfn_year, i.original_cfn_seq, i.has_row_keys, i.transaction_type);
ANALYZE changed_documents;

CREATE TEMP TABLE touched_folios (folio text) ON COMMIT DROP;
CREATE TEMP TABLE touched_documents ON COMMIT DROP AS
SELECT cfn_year, cfn_seq, group_id FROM changed_documents
UNION
SELECT cfn_year, cfn_seq, group_id FROM touched_parties;

WITH gone AS (
    DELETE FROM document_versions v
    WHERE v.business_date = %(day)s::date
      AND NOT EXISTS (
          SELECT FROM incoming_documents i
          WHERE (i.cfn_year, i.cfn_seq, i.group_id) = (v.cfn_year, v.cfn_seq, v.group_id))
    RETURNING v.cfn_year, v.cfn_seq, v.group_id, v.folio
), folios AS (
    INSERT INTO touched_folios SELECT folio FROM gone WHERE folio IS NOT NULL
)
INSERT INTO touched_documents SELECT cfn_year, cfn_seq, group_id FROM gone;

INSERT INTO document_versions (
    cfn_year, cfn_seq, group_id, business_date, line_number, document_code, case_number, recorded_on, folio_number,
    matched_folio, property_address, property_city, property_zip, consideration_1, deed_doc_tax,
    original_cfn_year, original_cfn_seq, has_row_keys, transaction_type, is_live)
SELECT cfn_year, cfn_seq, group_id, %(day)s::date, line_number, document_code, case_number, recorded_on, folio_number,
       matched_folio, property_address, property_city, property_zip, consideration_1, deed_doc_tax,
       original_cfn_year, original_cfn_seq, has_row_keys, transaction_type, transaction_type <> 'D'
FROM changed_documents
ON CONFLICT (cfn_year, cfn_seq, group_id, business_date) DO UPDATE
SET line_number = excluded.line_number, document_code = excluded.document_code,
    case_number = excluded.case_number, recorded_on = excluded.recorded_on,
    folio_number = excluded.folio_number, matched_folio = excluded.matched_folio,
    property_address = excluded.property_address, property_city = excluded.property_city,
    property_zip = excluded.property_zip, consideration_1 = excluded.consideration_1,
    deed_doc_tax = excluded.deed_doc_tax, original_cfn_year = excluded.original_cfn_year,
    original_cfn_seq = excluded.original_cfn_seq, has_row_keys = excluded.has_row_keys,
    transaction_type = excluded.transaction_type, is_live = excluded.is_live;

-- Records of earlier days whose address has found a property meanwhile.
WITH matched AS (
    UPDATE document_versions v
    SET matched_folio = m.folio
    FROM (
        SELECT m.folio, split_part(m.source_reference, '-', 1)::bigint AS cfn_year,
               split_part(m.source_reference, '-', 2)::bigint AS cfn_seq,
               split_part(m.source_reference, '-', 3)::bigint AS group_id
        FROM matched_records m WHERE m.ingestion_id = %(ingestion_id)s
    ) m
    WHERE (v.cfn_year, v.cfn_seq, v.group_id) = (m.cfn_year, m.cfn_seq, m.group_id)
      AND v.folio_number IS NULL AND v.matched_folio IS DISTINCT FROM m.folio
    RETURNING v.cfn_year, v.cfn_seq, v.group_id
)
INSERT INTO touched_documents SELECT DISTINCT cfn_year, cfn_seq, group_id FROM matched;
ANALYZE touched_documents;

UPDATE document_versions v
SET is_live = w.is_live
FROM (
    SELECT v.cfn_year, v.cfn_seq, v.group_id, v.business_date,
           v.transaction_type <> 'D'
           AND v.business_date = max(v.business_date) OVER (PARTITION BY v.cfn_year, v.cfn_seq, v.group_id)
           AND (NOT v.has_row_keys OR EXISTS (
               SELECT FROM party_versions p
               WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (v.cfn_year, v.cfn_seq, v.group_id)
                 AND p.is_live)) AS is_live
    FROM (SELECT DISTINCT cfn_year, cfn_seq, group_id FROM touched_documents) t
    JOIN document_versions v USING (cfn_year, cfn_seq, group_id)
    WHERE v.has_row_keys OR EXISTS (
        SELECT FROM document_versions o
        WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (t.cfn_year, t.cfn_seq, t.group_id)
          AND o.business_date <> %(day)s::date)
) w
WHERE (v.cfn_year, v.cfn_seq, v.group_id, v.business_date)
      = (w.cfn_year, w.cfn_seq, w.group_id, w.business_date)
  AND v.is_live <> w.is_live;

-- Every folio that these documents name or named, and those of the lis pendens that they release.
INSERT INTO touched_folios
SELECT v.folio FROM touched_documents t JOIN document_versions v USING (cfn_year, cfn_seq, group_id)
WHERE v.folio IS NOT NULL
UNION
SELECT former_folio FROM changed_documents WHERE former_folio IS NOT NULL
UNION
SELECT a.folio FROM touched_documents t JOIN api_documents a USING (cfn_year, cfn_seq, group_id)
UNION
SELECT o.folio
FROM touched_documents t
JOIN document_versions v USING (cfn_year, cfn_seq, group_id)
JOIN document_types r ON r.code = v.document_code AND r.transaction IN ('lis_pendens_release', 'release')
JOIN document_versions o ON o.is_live AND o.folio IS NOT NULL AND o.case_number = v.case_number
UNION
SELECT o.folio
FROM touched_documents t
JOIN document_versions v USING (cfn_year, cfn_seq, group_id)
JOIN document_versions o ON (o.cfn_year, o.cfn_seq) = (v.original_cfn_year, v.original_cfn_seq)
WHERE v.original_cfn_seq IS NOT NULL AND o.folio IS NOT NULL;

CREATE TEMP TABLE all_folios ON COMMIT DROP AS SELECT DISTINCT folio FROM touched_folios;
DROP TABLE touched_folios;
ALTER TABLE all_folios RENAME TO touched_folios;
ANALYZE touched_folios;

INSERT INTO pending_folios (business_date, folio)
SELECT %(day)s::date, folio FROM touched_folios
ON CONFLICT DO NOTHING;

DELETE FROM unmatched_records u
WHERE u.feed = %(feed)s
  AND (EXISTS (SELECT FROM matched_records m
               WHERE m.ingestion_id = %(ingestion_id)s AND m.source_reference = u.source_reference)
       -- Deleted meanwhile, or given a folio by a later file.
       OR u.source_reference IN (
           SELECT t.cfn_year || '-' || t.cfn_seq || '-' || t.group_id
           FROM touched_documents t
           WHERE NOT EXISTS (
               SELECT FROM document_versions v
               WHERE (v.cfn_year, v.cfn_seq, v.group_id) = (t.cfn_year, t.cfn_seq, t.group_id)
                 AND v.is_live AND v.folio IS NULL)))
