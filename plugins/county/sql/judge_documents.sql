-- Leads are judged on what was known on the business date, so that a backfill gives what that day would have given.
CREATE TEMP TABLE pending ON COMMIT DROP AS
SELECT DISTINCT folio FROM pending_folios WHERE business_date = %(day)s::date;
ANALYZE pending;

CREATE TEMP TABLE judged ON COMMIT DROP AS
WITH versions AS (
    SELECT v.cfn_year, v.cfn_seq, v.group_id, v.business_date, v.folio, v.document_code, v.recorded_on,
           v.case_number, v.consideration_1, v.deed_doc_tax
    FROM pending f
    JOIN document_versions v ON v.folio = f.folio
    WHERE v.is_live AND v.business_date <= %(day)s::date
    UNION ALL
    -- Out of order: a later day's version is known already, the one of this day counts.
    SELECT v.cfn_year, v.cfn_seq, v.group_id, v.business_date, v.folio, v.document_code, v.recorded_on,
           v.case_number, v.consideration_1, v.deed_doc_tax
    FROM pending f
    JOIN document_versions v ON v.folio = f.folio
    WHERE v.business_date <= %(day)s::date AND v.transaction_type <> 'D' AND NOT v.is_live
      AND NOT EXISTS (
          SELECT FROM document_versions o
          WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (v.cfn_year, v.cfn_seq, v.group_id)
            AND o.business_date > v.business_date AND o.business_date <= %(day)s::date)
      AND (NOT v.has_row_keys OR EXISTS (
          SELECT FROM party_versions p
          WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (v.cfn_year, v.cfn_seq, v.group_id)
            AND p.transaction_type <> 'D' AND p.business_date <= %(day)s::date
            AND NOT EXISTS (
                SELECT FROM party_versions q
                WHERE (q.cfn_year, q.cfn_seq, q.group_id, q.party_key)
                      = (p.cfn_year, p.cfn_seq, p.group_id, p.party_key)
                  AND q.business_date > p.business_date AND q.business_date <= %(day)s::date)))
)
SELECT v.*, coalesce(t.transaction, 'other') AS transaction, coalesce(t.is_conveyance, false) AS is_conveyance,
       sale_price(v.consideration_1, v.deed_doc_tax) AS price
FROM versions v LEFT JOIN document_types t ON t.code = v.document_code;
ANALYZE judged
