-- requires: addresses, recorded_documents
--
-- Functions that derive facts about properties from recorded documents, for the batch merge and for lookups.

CREATE OR REPLACE FUNCTION sale_price(consideration_1 numeric, deed_doc_tax numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN consideration_1 > 100 AND consideration_1 < 1e13 THEN consideration_1
    WHEN deed_doc_tax > 0.60 AND deed_doc_tax < 6e10 THEN round(deed_doc_tax / 0.60 * 100, 2)
END;
COMMENT ON FUNCTION sale_price IS
    'Returns the price in dollars: the consideration if there is one, and otherwise the price that the deed stamps imply ($0.60 per $100 in this county). '
    'Returns null for a nominal deed, and for ten trillion dollars or more.';

CREATE OR REPLACE AGGREGATE newest(anyelement) (SFUNC = any_value_transfn, STYPE = anyelement, PARALLEL = SAFE);
COMMENT ON AGGREGATE newest(anyelement) IS
    'Returns the first value that is not null. The rows must come from a subquery that sorts them newest first.';

CREATE OR REPLACE FUNCTION property_facts(folios text[])
RETURNS TABLE (folio text, newest_fact timestamptz, owner_name text, sale_date date, sale_price numeric,
               document_code text, transaction text, address text, city text, zip text, mortgage_known boolean,
               mortgage_balance numeric, facts text[])
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- The newest document is the document with the latest recording date. If several documents have that date, the
    -- newest is the document with the highest clerk's file number. The query sorts documents once, and newest() takes
    -- the first document of each group. LATERAL with OFFSET makes the planner use the index for each folio. Without
    -- LATERAL, the planner reads all documents when a day's files name many folios.
    WITH found AS MATERIALIZED (
        SELECT v.*
        FROM unnest(folios) AS f (folio)
        CROSS JOIN LATERAL (
            SELECT o.folio, o.cfn_year, o.cfn_seq, o.group_id, o.recorded_on, o.document_code, o.is_live,
                   o.business_date, o.consideration_1, o.deed_doc_tax, o.property_address, o.property_city,
                   o.property_zip, o.original_cfn_year, o.original_cfn_seq
            FROM document_versions o
            WHERE o.folio = f.folio AND o.transaction_type <> 'D'
            OFFSET 0) v
    ), documents AS MATERIALIZED (
        SELECT d.*, coalesce(t.transaction, 'other') AS transaction, coalesce(t.is_conveyance, false) AS is_conveyance,
               coalesce(t.releases_mortgage, false) AS releases_mortgage,
               sale_price(d.consideration_1, d.deed_doc_tax) AS price,
               CASE
                   WHEN (d.is_live AND t.is_conveyance) IS NOT TRUE THEN NULL
                   WHEN d.from_api THEN (
                       SELECT string_agg(p.party_name, '; ' ORDER BY p.party_sequence)
                       FROM api_parties p
                       WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
                         AND p.party_code = 'R')
                   ELSE (
                       SELECT string_agg(p.party_name, '; ' ORDER BY p.party_sequence, p.party_key)
                       FROM party_versions p
                       WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (d.cfn_year, d.cfn_seq, d.group_id)
                         AND p.is_live AND p.party_code = 'R')
               END AS grantees
        FROM (
            SELECT v.folio, v.cfn_year, v.cfn_seq, v.group_id, v.recorded_on, v.document_code,
                   v.is_live AND a.day IS NULL AS is_live, false AS from_api,
                   v.business_date::timestamp AT TIME ZONE 'America/New_York' AS known_at,
                   v.consideration_1, v.deed_doc_tax, v.property_address, v.property_city, v.property_zip,
                   v.original_cfn_year, v.original_cfn_seq
            FROM found v
            LEFT JOIN api_documents a ON (a.cfn_year, a.cfn_seq, a.group_id) = (v.cfn_year, v.cfn_seq, v.group_id)
                                     AND api_rules(v.cfn_year, v.cfn_seq, v.group_id, a.day)
            UNION ALL
            SELECT a.folio, a.cfn_year, a.cfn_seq, a.group_id, a.recorded_on, a.document_code,
                   api_rules(a.cfn_year, a.cfn_seq, a.group_id, a.day), true, a.answered_at,
                   a.consideration_1, a.deed_doc_tax, NULL, NULL, NULL, a.original_cfn_year, a.original_cfn_seq
            FROM unnest(folios) AS f (folio)
            JOIN api_documents a ON a.folio = f.folio
        ) d
        LEFT JOIN document_types t ON t.code = d.document_code
        ORDER BY d.folio, d.recorded_on DESC, d.cfn_year DESC, d.cfn_seq DESC, d.group_id DESC
    ), newest AS (
        SELECT d.folio, max(d.known_at) AS newest_fact,
            newest(d.grantees) AS owner_name,
            newest(d.recorded_on) FILTER (WHERE d.is_live AND d.is_conveyance AND d.price IS NOT NULL) AS sale_date,
            newest(d.price) FILTER (WHERE d.is_live AND d.is_conveyance) AS sale_price,
            newest(d.document_code) FILTER (WHERE d.is_live AND d.transaction <> 'other') AS document_code,
            newest(d.transaction) FILTER (WHERE d.is_live AND d.transaction <> 'other') AS transaction,
            newest(ROW (d.property_address, d.property_city, d.property_zip)::recorded_address)
                FILTER (WHERE d.is_live AND d.property_address IS NOT NULL) AS address,
            -- The newest conveyance or mortgage determines the mortgage balance, because a conveyance ends an earlier
            -- mortgage.
            newest(ROW (d.recorded_on, d.cfn_year, d.cfn_seq, d.group_id, d.consideration_1,
                        d.transaction)::mortgage_event)
                FILTER (WHERE d.is_live AND (d.is_conveyance OR d.transaction = 'mortgage')) AS mortgage
        FROM documents d
        GROUP BY d.folio
    )
    SELECT n.folio, n.newest_fact, n.owner_name, n.sale_date, n.sale_price, n.document_code, n.transaction,
           (n.address).address, (n.address).city, (n.address).zip,
           (n.mortgage).transaction IS NOT NULL AS mortgage_known,
           CASE
               WHEN (n.mortgage).transaction IS DISTINCT FROM 'mortgage' THEN NULL
               WHEN r.folio IS NOT NULL THEN 0
               ELSE (n.mortgage).amount
           END AS mortgage_balance,
           array_remove(ARRAY[
               CASE WHEN n.owner_name IS NOT NULL THEN 'owner' END,
               CASE WHEN n.sale_date IS NOT NULL THEN 'sale' END,
               CASE WHEN n.transaction IS NOT NULL THEN 'transaction' END,
               CASE WHEN (n.mortgage).transaction IS NOT NULL THEN 'mortgage' END,
               CASE WHEN (n.address).address IS NOT NULL THEN 'address' END], NULL) AS facts
    FROM newest n
    LEFT JOIN (
        SELECT DISTINCT n.folio
        FROM newest n
        JOIN documents r ON r.folio = n.folio
        WHERE r.is_live AND r.releases_mortgage AND (n.mortgage).transaction = 'mortgage'
          AND (r.recorded_on, r.cfn_year, r.cfn_seq)
              > ((n.mortgage).recorded_on, (n.mortgage).cfn_year, (n.mortgage).cfn_seq)
          AND (r.original_cfn_seq IS NULL
               OR (r.original_cfn_year, r.original_cfn_seq) = ((n.mortgage).cfn_year, (n.mortgage).cfn_seq))
    ) r ON r.folio = n.folio
$$;
COMMENT ON FUNCTION property_facts IS 'Returns the facts that each folio''s live documents state about the property.';

CREATE OR REPLACE FUNCTION write_properties(folios text[], OUT created bigint, OUT updated bigint) LANGUAGE plpgsql
-- The plan for the first batch is reused, so it must use indexes even if the tables are still small.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    WITH facts AS MATERIALIZED (
        SELECT * FROM property_facts(folios)
    ), known AS MATERIALIZED (
        -- Read the rows of these folios once. This statement also inserts into the table, and a query for each new row
        -- could scan the whole table.
        SELECT * FROM properties WHERE folio_number = ANY (folios)
    ), changed AS (
        UPDATE properties p
        SET owner_name = w.owner_name, last_sale_date = w.sale_date, last_sale_price = w.sale_price,
            last_transaction_type = w.transaction, last_document_code = w.document_code,
            mortgage_balance = w.mortgage_balance, address = w.address, city = w.city, zip = w.zip,
            document_facts = w.facts, last_updated = w.last_updated
        FROM (
            SELECT p.id,
                   CASE WHEN f.owner_name IS NOT NULL OR 'owner' = ANY (p.document_facts)
                        THEN f.owner_name ELSE p.owner_name END AS owner_name,
                   CASE WHEN f.sale_date IS NOT NULL OR 'sale' = ANY (p.document_facts)
                        THEN f.sale_date ELSE p.last_sale_date END AS sale_date,
                   CASE WHEN f.sale_date IS NOT NULL OR 'sale' = ANY (p.document_facts)
                        THEN f.sale_price ELSE p.last_sale_price END AS sale_price,
                   CASE WHEN f.transaction IS NOT NULL OR 'transaction' = ANY (p.document_facts)
                        THEN f.transaction ELSE p.last_transaction_type END AS transaction,
                   CASE WHEN f.transaction IS NOT NULL OR 'transaction' = ANY (p.document_facts)
                        THEN f.document_code ELSE p.last_document_code END AS document_code,
                   CASE WHEN f.mortgage_known OR 'mortgage' = ANY (p.document_facts)
                        THEN f.mortgage_balance ELSE p.mortgage_balance END AS mortgage_balance,
                   CASE WHEN a.from_documents THEN f.address ELSE p.address END AS address,
                   CASE WHEN a.from_documents THEN f.city ELSE p.city END AS city,
                   CASE WHEN a.from_documents THEN f.zip ELSE p.zip END AS zip,
                   CASE WHEN a.from_documents THEN f.facts ELSE array_remove(f.facts, 'address') END AS facts,
                   greatest(p.last_updated, f.newest_fact) AS last_updated
            FROM facts f
            JOIN known p ON p.folio_number = f.folio
            -- An address from a document does not overwrite an address from another source, such as the parcel roll.
            CROSS JOIN LATERAL (
                SELECT 'address' = ANY (p.document_facts) OR p.address IS NULL AND f.address IS NOT NULL AS from_documents) a
        ) w
        WHERE p.id = w.id
          AND (p.owner_name, p.last_sale_date, p.last_sale_price, p.last_transaction_type, p.last_document_code,
               p.mortgage_balance, p.address, p.city, p.zip, p.document_facts, p.last_updated)
              IS DISTINCT FROM
              (w.owner_name, w.sale_date, w.sale_price, w.transaction, w.document_code,
               w.mortgage_balance, w.address, w.city, w.zip, w.facts, w.last_updated)
        RETURNING 1
    ), new AS MATERIALIZED (
        SELECT f.*, street_of(f.address) AS street
        FROM facts f
        WHERE NOT EXISTS (SELECT FROM known p WHERE p.folio_number = f.folio)
    ), streets AS MATERIALIZED (
        -- Parse each street once. To parse every address would take longer than the rest of this statement.
        SELECT s.street, street_key(s.street) AS key FROM (SELECT DISTINCT street FROM new) s
    ), made AS (
        INSERT INTO properties (folio_number, owner_name, last_sale_date, last_sale_price, last_transaction_type,
                                last_document_code, mortgage_balance, address, city, zip, address_key,
                                document_facts, data_source, last_updated)
        SELECT n.folio, n.owner_name, n.sale_date, n.sale_price, n.transaction, n.document_code, n.mortgage_balance,
               n.address, n.city, n.zip, split_part(n.address, ' ', 1) || s.key, n.facts, 'recorded_documents', n.newest_fact
        FROM new n LEFT JOIN streets s USING (street)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed) INTO created, updated;
END $$;
COMMENT ON FUNCTION write_properties IS
    'Derives and writes the properties of the given folios; refresh_properties calls it. '
    'Raises unique_violation when another session inserts one of the rows.';

CREATE OR REPLACE FUNCTION refresh_properties(folios text[], OUT created bigint, OUT updated bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR attempt IN 1..3 LOOP
        BEGIN
            SELECT w.created, w.updated INTO created, updated FROM write_properties(folios) w;
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            -- Try again, and update the row that the other session inserted. ON CONFLICT would not update that row, and
            -- would slow down every insert.
            IF attempt = 3 THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION refresh_properties IS
    'Derives the properties of the given folios from the live documents. Writes only rows that change.';

CREATE OR REPLACE FUNCTION parties_on(cfn_year bigint, cfn_seq bigint, group_id bigint, day date)
RETURNS SETOF party_versions LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.*
    FROM (
        -- Sort in the reverse order of the primary key, so that PostgreSQL needs one index scan for each document.
        SELECT DISTINCT ON (v.party_key) v.*
        FROM party_versions v
        WHERE v.cfn_year = $1 AND v.cfn_seq = $2 AND v.group_id = $3 AND v.business_date <= $4
        ORDER BY v.party_key DESC, v.business_date DESC
    ) p
    WHERE p.transaction_type <> 'D'
$$;
COMMENT ON FUNCTION parties_on IS
    'Returns a document''s parties according to the files up to the given business date.';

CREATE OR REPLACE FUNCTION releases_of(cfn_year bigint, cfn_seq bigint, case_number text, known_on date)
RETURNS SETOF document_versions LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.*
    FROM document_versions r JOIN document_types t ON t.code = r.document_code
    WHERE r.case_number = $3 AND r.is_live AND r.business_date <= $4
      AND t.transaction IN ('lis_pendens_release', 'release')
    UNION ALL
    SELECT r.*
    FROM document_versions r JOIN document_types t ON t.code = r.document_code
    WHERE r.original_cfn_year = $1 AND r.original_cfn_seq = $2 AND r.is_live AND r.business_date <= $4
      AND t.transaction IN ('lis_pendens_release', 'release')
$$;
COMMENT ON FUNCTION releases_of IS
    'Returns the releases of a lis pendens that were known by the given business date. '
    'A release names the case or the file number of the lis pendens.';
