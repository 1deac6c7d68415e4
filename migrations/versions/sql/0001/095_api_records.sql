-- What the county's API answers, and what a lookup costs.

CREATE FUNCTION store_api_records(asked_folio text, records jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- An answer names each document once for each of its parties.
    WITH documents AS (
        SELECT DISTINCT ON (r.cfn_year, r.cfn_seq, r.group_id)
               r.cfn_year, r.cfn_seq, r.group_id, r.document_code, r.case_number, r.recorded_on, r.folio,
               r.consideration_1, r.deed_doc_tax, r.original_cfn_year, r.original_cfn_seq
        FROM jsonb_to_recordset(records) AS r (
            cfn_year bigint, cfn_seq bigint, group_id bigint, document_code text, case_number text, recorded_on date,
            folio text, consideration_1 numeric, deed_doc_tax numeric, original_cfn_year bigint,
            original_cfn_seq bigint, party_sequence bigint)
        ORDER BY r.cfn_year, r.cfn_seq, r.group_id, r.party_sequence
    )
    INSERT INTO api_documents (
        cfn_year, cfn_seq, group_id, day, answered_at, document_code, case_number, recorded_on, folio,
        consideration_1, deed_doc_tax, original_cfn_year, original_cfn_seq)
    SELECT d.cfn_year, d.cfn_seq, d.group_id, new_york_day(now()), now(), d.document_code, d.case_number,
           d.recorded_on, d.folio, d.consideration_1, d.deed_doc_tax, d.original_cfn_year, d.original_cfn_seq
    FROM documents d
    ON CONFLICT (cfn_year, cfn_seq, group_id) DO UPDATE
    SET day = excluded.day, answered_at = excluded.answered_at, document_code = excluded.document_code,
        case_number = excluded.case_number, recorded_on = excluded.recorded_on, folio = excluded.folio,
        consideration_1 = excluded.consideration_1, deed_doc_tax = excluded.deed_doc_tax,
        original_cfn_year = excluded.original_cfn_year, original_cfn_seq = excluded.original_cfn_seq
    WHERE excluded.answered_at >= api_documents.answered_at;

    WITH parties AS (
        SELECT DISTINCT ON (r.cfn_year, r.cfn_seq, r.group_id, r.party_sequence)
               r.cfn_year, r.cfn_seq, r.group_id, r.party_sequence, r.party_code, r.party_name
        FROM jsonb_to_recordset(records) AS r (
            cfn_year bigint, cfn_seq bigint, group_id bigint, party_sequence bigint, party_code text, party_name text)
        ORDER BY r.cfn_year, r.cfn_seq, r.group_id, r.party_sequence
    ), gone AS (
        DELETE FROM api_parties p
        USING (SELECT DISTINCT cfn_year, cfn_seq, group_id FROM parties) d
        WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
          AND NOT EXISTS (
              SELECT FROM parties n
              WHERE (n.cfn_year, n.cfn_seq, n.group_id, n.party_sequence)
                    = (p.cfn_year, p.cfn_seq, p.group_id, p.party_sequence))
    )
    INSERT INTO api_parties AS p (cfn_year, cfn_seq, group_id, party_sequence, party_code, party_name)
    SELECT * FROM parties
    ON CONFLICT (cfn_year, cfn_seq, group_id, party_sequence) DO UPDATE
    SET party_code = excluded.party_code, party_name = excluded.party_name
    WHERE (p.party_code, p.party_name) IS DISTINCT FROM (excluded.party_code, excluded.party_name);

    -- The folios that these documents name now, or named in an earlier file.
    PERFORM refresh_properties(array_agg(folio))
    FROM (
        SELECT r.folio
        FROM jsonb_to_recordset(records) AS r (folio text)
        UNION
        SELECT v.folio
        FROM jsonb_to_recordset(records) AS r (cfn_year bigint, cfn_seq bigint, group_id bigint)
        JOIN document_versions v USING (cfn_year, cfn_seq, group_id)
        WHERE v.folio IS NOT NULL
    ) touched;

    UPDATE properties SET last_updated = now()
    WHERE folio_number = asked_folio AND (last_updated IS NULL OR last_updated < now());
END $$;
COMMENT ON FUNCTION store_api_records IS
    'Keeps the API''s answer for a folio and derives the properties it speaks of by the rules of the batch merge.';
