-- Classify the documents of one slice of the day's pending folios based on what was known on the business date. A
-- backfill therefore creates the same leads that a run on the business date would have created. Reads pending_folios;
-- creates candidate_folios and classified_documents.
CREATE TEMP TABLE candidate_folios ON COMMIT DROP AS
SELECT DISTINCT folio FROM pending_folios
WHERE business_date = %(day)s::date
  AND folio >= %(first_folio)s AND (%(end_folio)s::text IS NULL OR folio < %(end_folio)s::text);
ANALYZE candidate_folios;

-- The conveyances and lis pendens for these folios determine which leads are created, kept or closed. OFFSET 0 makes
-- the planner look up each folio separately, so that the cost does not grow with the number of stored documents.
CREATE TEMP TABLE classified_documents ON COMMIT DROP AS
SELECT v.cfn_year, v.cfn_seq, v.group_id, v.folio, v.recorded_on, v.case_number, t.transaction, t.is_conveyance,
       sale_price(v.consideration_1, v.deed_doc_tax) AS price
FROM candidate_folios f
CROSS JOIN LATERAL (
    SELECT * FROM document_versions o
    WHERE o.folio = f.folio AND o.business_date <= %(day)s::date AND o.transaction_type <> 'D'
    OFFSET 0) v
JOIN document_types t ON t.code = v.document_code AND (t.is_conveyance OR t.transaction = 'lis_pendens')
-- In a backfill, a document may already have versions from later days. Only the newest version up to this day counts.
LEFT JOIN LATERAL (
    SELECT true AS found FROM document_versions o
    WHERE NOT v.is_live AND (o.cfn_year, o.cfn_seq, o.group_id) = (v.cfn_year, v.cfn_seq, v.group_id)
      AND o.business_date > v.business_date AND o.business_date <= %(day)s::date
    LIMIT 1) newer ON true
LEFT JOIN LATERAL (
    SELECT true AS found FROM parties_on(v.cfn_year, v.cfn_seq, v.group_id, %(day)s::date)
    WHERE NOT v.is_live AND v.has_row_keys
    LIMIT 1) party ON true
WHERE v.is_live OR newer.found IS NULL AND (NOT v.has_row_keys OR party.found);
ANALYZE classified_documents
