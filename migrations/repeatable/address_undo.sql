-- requires: address_decisions, address_review
--
-- Undo decisions about addresses, and add and undo street aliases.

CREATE OR REPLACE FUNCTION matched_addresses(folios text[]) RETURNS TABLE (
    feed text, business_date date, source_reference text, record_type text, entry integer,
    address text, city text, zip text, folio text
) LANGUAGE sql STABLE AS $$
    (SELECT DISTINCT ON (v.cfn_year, v.cfn_seq, v.group_id)
            'daily', v.business_date, v.cfn_year || '-' || v.cfn_seq || '-' || v.group_id, 'document', 1,
            v.property_address, v.property_city, v.property_zip, v.matched_folio
     FROM document_versions v
     WHERE v.folio = ANY (folios) AND v.folio_number IS NULL
     ORDER BY v.cfn_year, v.cfn_seq, v.group_id, v.business_date DESC)
    UNION ALL
    SELECT f.feed, v.business_date, v.case_number, v.record_type, v.entry, v.address, v.city, v.zip, p.folio_number
    FROM properties p
    JOIN court_records v ON v.property_id = p.id AND v.is_live
    -- The feed is the one whose runs have read the file with these records.
    CROSS JOIN LATERAL (
        SELECT replace(l.ingestion_type, '_ftp', '') AS feed
        FROM court_files c
        JOIN ingestion_files i USING (file)
        JOIN data_ingestion_logs l ON l.id = i.ingestion_id
        WHERE c.record_type = v.record_type
        ORDER BY l.id DESC LIMIT 1) f
    WHERE p.folio_number = ANY (folios)
$$;
COMMENT ON FUNCTION matched_addresses IS
    'Returns the records without a folio of their own that were matched to the folios by address.';

CREATE OR REPLACE FUNCTION undo_address_decision(decision_id bigint, actor text, reason text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    undone address_decisions;
    released bigint := 0;
BEGIN
    -- A merge that has read the decision would match records that this function cannot see yet.
    IF NOT pg_try_advisory_xact_lock(hashtext('leads:merge'))
       OR NOT pg_try_advisory_xact_lock(hashtext('leads:merge-part')) THEN
        RAISE EXCEPTION 'a run is changing properties right now' USING ERRCODE = 'lock_not_available',
            HINT = 'Try again in a minute.';
    END IF;
    DELETE FROM address_decisions WHERE id = decision_id RETURNING * INTO undone;
    IF undone.id IS NULL THEN
        RAISE EXCEPTION 'there is no decision % any more: somebody has undone it', decision_id
            USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM mark_decided_records(undone, 'an operator has undone the decision: the next run matches it again');
    IF undone.decision = 'accepted' THEN
        INSERT INTO unmatched_records AS u (feed, business_date, source_reference, record_type, entry, address, city, zip,
                                            reason, is_released)
        SELECT m.feed, m.business_date, m.source_reference, m.record_type, m.entry, m.address, m.city, m.zip,
               'an operator has undone the decision: the next run matches it again', true
        FROM matched_addresses(ARRAY[undone.folio_number]) m
        CROSS JOIN LATERAL decision_key(m.address, NULL, m.city, m.zip) k
        WHERE (k.address_key, k.unit_key, k.zip, k.written)
              IS NOT DISTINCT FROM (undone.address_key, undone.unit_key, undone.zip, undone.written)
        ON CONFLICT (feed, source_reference, record_type, entry) DO UPDATE SET is_released = true
        WHERE u.address IS NOT DISTINCT FROM excluded.address;
        GET DIAGNOSTICS released = ROW_COUNT;
    END IF;
    PERFORM note_review_action(actor, 'undo', 'address_decision', decision_id, released, reason, to_jsonb(undone));
    RETURN released;
END $$;
COMMENT ON FUNCTION undo_address_decision IS
    'Deletes a decision about an address. Records that were matched to the accepted folio become unmatched records again. '
    'The next run of their feed matches them by the usual rules; without a match, it takes the folio from the record, '
    'derives the facts of the property again and closes the leads. Returns the number of these records.';

CREATE OR REPLACE FUNCTION street_part(address_key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(address_key, strpos(address_key, '|') + 1);
COMMENT ON FUNCTION street_part IS 'Returns the street in an address key, such as SW|8|ST for 1234|SW|8|ST.';

CREATE OR REPLACE FUNCTION alias_refusal(written text, street text) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN written IS NULL THEN 'the record''s address is not understood, so it names no street'
    WHEN street IS NULL OR street !~ '^[NSEW]{0,2}\|[^|]+\|[^|]*$' THEN 'write the roll''s street like SW 8 ST or SW|8|ST'
    WHEN street = written THEN 'both names are the same street'
    -- The house number, direction, number and type of a street are its identity.
    WHEN split_part(written, '|', 2) ~ '^\d+$' AND split_part(street, '|', 2) ~ '^\d+$'
    THEN 'a numbered street is never another numbered street'
    WHEN written ~ '\d' AND street ~ '\d'
         AND regexp_replace(written, '\D', '', 'g') <> regexp_replace(street, '\D', '', 'g')
    THEN 'the names have different numbers'
    WHEN EXISTS (SELECT FROM street_aliases a WHERE (a.alias, a.street) = (written, alias_refusal.street))
    THEN 'this alias exists already'
    WHEN NOT EXISTS (SELECT FROM properties p WHERE street_part(p.address_key) = alias_refusal.street)
    THEN 'no property is on the street ' || replace(street, '|', ' ')
    WHEN EXISTS (SELECT FROM properties p WHERE street_part(p.address_key) = written)
    THEN replace(written, '|', ' ') || ' is itself a street of the roll'
END;
COMMENT ON FUNCTION alias_refusal IS
    'Returns why a written street must not become an alias of a street of the roll, or null if it may. '
    'Both streets have the form direction|name|type.';

CREATE OR REPLACE FUNCTION add_street_alias(record_id bigint, street text, actor text, reason text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    waiting unmatched_records := locked_unmatched_record(record_id);
    written text := street_part((parse_address(waiting.address, waiting.unit)).address_key);
    target text := CASE WHEN strpos(street, '|') > 0 THEN street
                        ELSE street_part((parse_address('1 ' || street, NULL)).address_key) END;
    refusal text := alias_refusal(written, target);
BEGIN
    IF refusal IS NULL THEN
        INSERT INTO street_aliases (alias, street, is_reference) VALUES (written, target, false) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            refusal := 'this alias exists already';
        END IF;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', refusal USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE unmatched_records SET reason = 'street alias added: the next run matches it again' WHERE id = record_id;
    PERFORM note_review_action(actor, 'add_alias', 'unmatched_record', record_id, 1, reason,
                               jsonb_build_object('alias', written, 'street', target, 'address', waiting.address));
    RETURN written;
END $$;
COMMENT ON FUNCTION add_street_alias IS
    'Makes the street in the address of an unmatched record an alias of a street of the roll, for all records from then on. '
    'Returns the alias. Raises 22023 with the reason of alias_refusal.';

CREATE OR REPLACE FUNCTION undo_street_alias(alias text, street text, actor text, reason text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    released bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('leads:merge'))
       OR NOT pg_try_advisory_xact_lock(hashtext('leads:merge-part'))
       OR EXISTS (SELECT FROM data_ingestion_logs l
                  WHERE l.status = 'running' AND EXISTS (SELECT FROM matched_records m WHERE m.ingestion_id = l.id)) THEN
        RAISE EXCEPTION 'a run is matching addresses right now' USING ERRCODE = 'lock_not_available',
            HINT = 'Try again when it has ended.';
    END IF;
    DELETE FROM street_aliases a
    WHERE (a.alias, a.street) = (undo_street_alias.alias, undo_street_alias.street) AND NOT a.is_reference;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no operator has added this alias' USING ERRCODE = 'no_data_found';
    END IF;
    -- All records whose address names the street otherwise are matched again. Those that have other reasons for their
    -- match get the same folio again.
    INSERT INTO unmatched_records AS u (feed, business_date, source_reference, record_type, entry, address, city, zip,
                                        reason, is_released)
    SELECT m.feed, m.business_date, m.source_reference, m.record_type, m.entry, m.address, m.city, m.zip,
           'an operator has undone a street alias: the next run matches it again', true
    FROM matched_addresses((SELECT array_agg(p.folio_number) FROM properties p
                            WHERE street_part(p.address_key) = undo_street_alias.street)) m
    CROSS JOIN LATERAL parse_address(m.address, NULL) k
    WHERE street_part(k.address_key) IS DISTINCT FROM undo_street_alias.street
    ON CONFLICT (feed, source_reference, record_type, entry) DO UPDATE SET is_released = true
    WHERE u.address IS NOT DISTINCT FROM excluded.address;
    GET DIAGNOSTICS released = ROW_COUNT;
    PERFORM note_review_action(actor, 'undo', 'street_alias', NULL, released, reason,
                               jsonb_build_object('alias', alias, 'street', street));
    RETURN released;
END $$;
COMMENT ON FUNCTION undo_street_alias IS
    'Deletes an alias that an operator has added. Records on that street that were written otherwise become unmatched '
    'records again, and the next run of their feed matches them without the alias. Returns the number of these records.';
