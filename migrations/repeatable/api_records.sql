-- requires: local_day, property_facts
--
-- Functions that store and apply the answers from the county's API.

-- All folios share one query plan that uses indexes. Planning again for each answer would take longer than storing the
-- answer. An answer has few rows, so an index scan is right even when the planner estimates otherwise.
CREATE OR REPLACE FUNCTION store_api_records(asked_folio text, records jsonb) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    -- A running merge may already have read the API's documents, and the documents that the merge writes are not
    -- visible here yet. Do not wait for the merge: refresh_after_merge derives these properties again. If no merge is
    -- running, the lock keeps a merge from starting.
    -- A merge holds the first lock, and each part of a merge the second: the last part of a task that was killed may
    -- still be running.
    is_merging boolean := NOT pg_try_advisory_xact_lock_shared(hashtext('leads:merge'))
                          OR NOT pg_try_advisory_xact_lock(hashtext('leads:merge-part'));
    touched text[];
BEGIN
    -- The API returns one record for each party of a document.
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
        DELETE FROM api_parties
        WHERE ctid = ANY (ARRAY (
            SELECT p.ctid
            FROM (SELECT DISTINCT cfn_year, cfn_seq, group_id FROM parties) d
            CROSS JOIN LATERAL (
                SELECT o.ctid, o.party_sequence FROM api_parties o
                WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
                OFFSET 0) p
            WHERE (d.cfn_year, d.cfn_seq, d.group_id, p.party_sequence)
                  NOT IN (SELECT cfn_year, cfn_seq, group_id, party_sequence FROM parties)))
    )
    INSERT INTO api_parties AS p (cfn_year, cfn_seq, group_id, party_sequence, party_code, party_name)
    SELECT * FROM parties
    ON CONFLICT (cfn_year, cfn_seq, group_id, party_sequence) DO UPDATE
    SET party_code = excluded.party_code, party_name = excluded.party_name
    WHERE (p.party_code, p.party_name) IS DISTINCT FROM (excluded.party_code, excluded.party_name);

    -- Find the folios that these documents name now, or named in an earlier file.
    SELECT array_agg(folio) INTO touched
    FROM (
        SELECT r.folio
        FROM jsonb_to_recordset(records) AS r (folio text)
        UNION
        SELECT v.folio
        FROM jsonb_to_recordset(records) AS r (cfn_year bigint, cfn_seq bigint, group_id bigint)
        CROSS JOIN LATERAL (
            SELECT o.folio FROM document_versions o
            WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (r.cfn_year, r.cfn_seq, r.group_id)
            OFFSET 0) v
        WHERE v.folio IS NOT NULL
    ) named;
    PERFORM refresh_properties(touched);
    IF is_merging THEN
        INSERT INTO folios_to_refresh (folio) SELECT unnest(touched);
    END IF;

    UPDATE properties SET last_updated = now()
    WHERE folio_number = asked_folio AND (last_updated IS NULL OR last_updated < now());
END $$;
COMMENT ON FUNCTION store_api_records IS
    'Stores the API''s answer for a folio, and derives the properties that the answer''s documents name. The rules are the same as in the batch merge.';

CREATE OR REPLACE FUNCTION refresh_after_merge() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    folios text[];
BEGIN
    IF NOT EXISTS (SELECT FROM folios_to_refresh) OR NOT pg_try_advisory_xact_lock_shared(hashtext('leads:merge'))
       OR NOT pg_try_advisory_xact_lock(hashtext('leads:merge-part')) THEN
        RETURN 0;
    END IF;
    WITH taken AS (DELETE FROM folios_to_refresh RETURNING folio)
    SELECT array_agg(DISTINCT folio) INTO folios FROM taken;
    PERFORM refresh_properties(folios);
    RETURN coalesce(cardinality(folios), 0);
END $$;
COMMENT ON FUNCTION refresh_after_merge IS
    'Derives properties again if the API reported them during a merge. '
    'Returns the number of these properties, and 0 while a merge is running.';
