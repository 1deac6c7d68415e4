-- The current recorded documents, from the county's files and from its API.

CREATE OR REPLACE FUNCTION api_rules(cfn_year bigint, cfn_seq bigint, group_id bigint, day date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN NOT EXISTS (
    SELECT FROM document_versions v
    WHERE (v.cfn_year, v.cfn_seq, v.group_id) = (api_rules.cfn_year, api_rules.cfn_seq, api_rules.group_id)
      AND v.business_date > api_rules.day
) AND NOT EXISTS (
    -- The Clerk's 42-column file deletes the parties of a document one by one.
    SELECT FROM party_versions p
    WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (api_rules.cfn_year, api_rules.cfn_seq, api_rules.group_id)
      AND p.business_date > api_rules.day);
COMMENT ON FUNCTION api_rules IS
    'Returns whether the API''s answer from the given day is newer than all files that mention the document. '
    'The county publishes a day''s file before that day begins.';

CREATE OR REPLACE VIEW recorded_documents AS
SELECT d.cfn_year, d.cfn_seq, d.group_id, d.document_code, coalesce(t.transaction, 'other') AS transaction,
       d.case_number, d.recorded_on, d.folio_number, d.matched_folio, d.folio,
       d.property_address, d.property_city, d.property_zip, d.consideration_1, d.deed_doc_tax,
       d.original_cfn_year, d.original_cfn_seq, d.business_date, d.line_number
FROM document_versions d LEFT JOIN document_types t ON t.code = d.document_code
WHERE d.is_live
  AND NOT EXISTS (SELECT FROM api_documents a
                  WHERE (a.cfn_year, a.cfn_seq, a.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
                    AND api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day))
UNION ALL
SELECT a.cfn_year, a.cfn_seq, a.group_id, a.document_code, coalesce(t.transaction, 'other'),
       a.case_number, a.recorded_on, a.folio, NULL, a.folio, NULL, NULL, NULL, a.consideration_1, a.deed_doc_tax,
       a.original_cfn_year, a.original_cfn_seq, NULL, NULL
FROM api_documents a LEFT JOIN document_types t ON t.code = a.document_code
WHERE api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day);
COMMENT ON VIEW recorded_documents IS
    'The current documents from the daily files and the API''s answers. Deleted documents are left out.';

CREATE OR REPLACE VIEW document_parties AS
SELECT p.cfn_year, p.cfn_seq, p.group_id, p.party_sequence, p.party_code, p.party_name, p.party_key,
       p.business_date, p.line_number
FROM party_versions p
WHERE p.is_live
  AND EXISTS (SELECT FROM document_versions d
              WHERE (d.cfn_year, d.cfn_seq, d.group_id) = (p.cfn_year, p.cfn_seq, p.group_id) AND d.is_live
                AND NOT EXISTS (SELECT FROM api_documents a
                                WHERE (a.cfn_year, a.cfn_seq, a.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
                                  AND api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day)))
UNION ALL
SELECT p.cfn_year, p.cfn_seq, p.group_id, p.party_sequence, p.party_code, p.party_name, p.party_sequence, NULL, NULL
FROM api_parties p JOIN api_documents a USING (cfn_year, cfn_seq, group_id)
WHERE api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day);
COMMENT ON VIEW document_parties IS 'The parties of the current documents.';
