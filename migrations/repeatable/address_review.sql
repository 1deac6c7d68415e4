-- requires: addresses, address_decisions
--
-- What operators do with records that match no property. Each function writes a row of operator_actions. Errors have the
-- SQLSTATE P0002 (the row does not exist), 55000 (somebody else was faster), 22023 (a wrong argument) or 55P03 (a run is
-- at work, try again in a minute); their messages are written for operators.

CREATE OR REPLACE FUNCTION note_review_action(
    actor text, action text, object_type text, object_id bigint, changed bigint, reason text, parameters jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(btrim(actor), '') = '' THEN
        RAISE EXCEPTION 'an action needs the name of the person who does it' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(btrim(reason), '') = '' THEN
        RAISE EXCEPTION 'give a reason' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO operator_actions
        (actor, action, object_type, object_ids, rows, done, changed, reason, parameters, state, finished_at)
    VALUES (actor, action, object_type, array_remove(ARRAY[object_id], NULL), 1, 1, coalesce(changed, 0), btrim(reason),
            coalesce(parameters, '{}'), 'done', now());
END $$;
COMMENT ON FUNCTION note_review_action IS
    'Writes the row of operator_actions for an action on unmatched addresses. Raises 22023 without an actor or a reason.';

CREATE OR REPLACE FUNCTION locked_unmatched_record(record_id bigint) RETURNS unmatched_records LANGUAGE plpgsql AS $$
DECLARE
    found_record unmatched_records;
BEGIN
    SELECT * INTO found_record FROM unmatched_records WHERE id = record_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no unmatched record % any more: a run has matched it, or its record was deleted', record_id
            USING ERRCODE = 'no_data_found';
    END IF;
    RETURN found_record;
END $$;
COMMENT ON FUNCTION locked_unmatched_record IS 'Returns and locks an unmatched record. Raises P0002 if it does not exist.';

CREATE OR REPLACE FUNCTION mark_decided_records(decided address_decisions, wanted_reason text) RETURNS bigint
LANGUAGE sql AS $$
    WITH chosen AS (
        -- Most records have another house number, so the key is calculated for few of them. Rows that a run has locked
        -- are left out; the run's own result follows the decision.
        SELECT u.id
        FROM unmatched_records u
        WHERE substring(u.address FROM '[1-9]\d*') IS NOT DISTINCT FROM substring(decided.address FROM '[1-9]\d*')
          AND (SELECT (k.address_key, k.unit_key, k.zip, k.written)
                      IS NOT DISTINCT FROM (decided.address_key, decided.unit_key, decided.zip, decided.written)
               FROM decision_key(u.address, u.unit, u.city, u.zip) k)
        ORDER BY u.id FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE unmatched_records u SET reason = wanted_reason FROM chosen c WHERE u.id = c.id RETURNING u.id
    )
    SELECT count(*) FROM marked
$$;
COMMENT ON FUNCTION mark_decided_records IS
    'Sets the reason of the unmatched records to which a decision applies. Returns the number of these records.';

CREATE OR REPLACE FUNCTION decide_address(
    record_id bigint, wanted_decision text, folio text, actor text, reason text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    waiting unmatched_records := locked_unmatched_record(record_id);
    key record := decision_key(waiting.address, waiting.unit, waiting.city, waiting.zip);
    decided address_decisions;
    changed bigint;
BEGIN
    IF key.address_key IS NULL THEN
        RAISE EXCEPTION 'the record has no address for which a decision could be kept'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO address_decisions
        (address_key, unit_key, zip, written, address, unit, city, decision, folio_number, decided_by, reason)
    VALUES (key.address_key, key.unit_key, key.zip, key.written, waiting.address, waiting.unit, waiting.city,
            wanted_decision, folio, actor, btrim(reason))
    ON CONFLICT DO NOTHING
    RETURNING * INTO decided;
    IF decided.id IS NULL THEN
        SELECT * INTO decided FROM address_decisions d
        WHERE (d.address_key, d.unit_key, d.zip, d.written)
              IS NOT DISTINCT FROM (key.address_key, key.unit_key, key.zip, key.written);
        RAISE EXCEPTION 'this address was already % by %', decided.decision, decided.decided_by
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Undo that decision first.';
    END IF;
    changed := mark_decided_records(decided, CASE wanted_decision
        WHEN 'accepted' THEN 'accepted by an operator: the next run matches it' ELSE 'rejected by an operator' END);
    PERFORM note_review_action(actor, CASE wanted_decision WHEN 'accepted' THEN 'accept' ELSE 'reject' END,
                               'unmatched_record', record_id, changed, reason, to_jsonb(decided));
    RETURN decided.id;
END $$;
COMMENT ON FUNCTION decide_address IS 'Keeps a decision about the address of an unmatched record. Returns its id.';

CREATE OR REPLACE FUNCTION accept_address(record_id bigint, folio text, actor text, reason text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM properties WHERE folio_number = folio;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no property has the folio %', coalesce(quote_literal(folio), 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN decide_address(record_id, 'accepted', folio, actor, reason);
END $$;
COMMENT ON FUNCTION accept_address IS
    'Decides that the address of an unmatched record is the property with this folio. Every later run follows the decision, '
    'for all records with the same address (see decision_key). Returns the id of the decision.';

CREATE OR REPLACE FUNCTION reject_address(record_id bigint, actor text, reason text) RETURNS bigint
LANGUAGE sql AS $$ SELECT decide_address(record_id, 'rejected', NULL, actor, reason) $$;
COMMENT ON FUNCTION reject_address IS
    'Decides that no property is right for the address of an unmatched record. No later run matches the address or offers '
    'it for review. Returns the id of the decision.';

CREATE OR REPLACE VIEW records_to_review AS
SELECT * FROM unmatched_records
WHERE address IS NOT NULL AND coalesce(reason, '') NOT LIKE '% by an operator%';
COMMENT ON VIEW records_to_review IS
    'Unmatched records with an address about which no operator has decided yet.';
