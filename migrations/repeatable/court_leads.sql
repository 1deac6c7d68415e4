-- requires: property_facts, recorded_documents
--
-- The conditions under which leads from court files are closed.

CREATE OR REPLACE FUNCTION was_sold(folio text, since date, known_on date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM (
        SELECT d.document_code, d.consideration_1, d.deed_doc_tax
        FROM document_versions d
        WHERE d.folio = was_sold.folio AND d.is_live AND d.recorded_on > since AND d.business_date <= known_on
          AND NOT EXISTS (
              SELECT FROM api_documents a
              WHERE (a.cfn_year, a.cfn_seq, a.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
                AND a.day <= known_on AND api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day))
        UNION ALL
        SELECT a.document_code, a.consideration_1, a.deed_doc_tax
        FROM api_documents a
        WHERE a.folio = was_sold.folio AND a.recorded_on > since AND a.day <= known_on
          AND api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day)
    ) AS d
    JOIN document_types t ON t.code = d.document_code
    WHERE t.is_conveyance AND sale_price(d.consideration_1, d.deed_doc_tax) IS NOT NULL
       OR t.transaction = 'certificate_of_title'
);
COMMENT ON FUNCTION was_sold IS
    'Returns whether a conveyance with a price, or a certificate of title, was recorded after the given date (since). '
    'Counts only documents that the files or the county''s API had reported by the given business date (known_on).';
