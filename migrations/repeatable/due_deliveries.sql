-- afterwards: CALL refresh_is_due()
--
-- The column deliveries.is_due. Workers claim only rows with this mark, so rows that are due later cost them nothing.

CREATE OR REPLACE FUNCTION set_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.is_due := NEW.not_before <= now();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION set_is_due IS 'Marks whether a queued delivery is due when it is enqueued, requeued or deferred.';

CREATE OR REPLACE TRIGGER deliveries_set_is_due BEFORE INSERT OR UPDATE OF state, not_before ON deliveries FOR EACH ROW
    WHEN (NEW.state = 'queued' AND NEW.is_due <> (NEW.not_before <= now()))
    EXECUTE FUNCTION set_is_due();

CREATE OR REPLACE FUNCTION mark_due_deliveries(at_most integer) RETURNS bigint LANGUAGE sql AS $$
    WITH marked AS (
        UPDATE deliveries SET is_due = true
        WHERE id = ANY (ARRAY (
            SELECT d.id
            FROM delivery_kinds k
            CROSS JOIN LATERAL (
                SELECT id FROM deliveries
                WHERE kind = k.kind AND state = 'queued' AND NOT is_due AND not_before <= now()
                ORDER BY not_before LIMIT at_most
                FOR NO KEY UPDATE SKIP LOCKED
            ) d
        ))
        RETURNING 1
    )
    SELECT count(*) FROM marked
$$;
COMMENT ON FUNCTION mark_due_deliveries IS
    'Marks deliveries whose time has come as due, at most the given number of each kind. Returns how many were marked.';

CREATE OR REPLACE PROCEDURE refresh_is_due(batch_size integer DEFAULT 20000) LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    LOOP
        UPDATE deliveries SET is_due = false
        WHERE id IN (SELECT id FROM deliveries
                     WHERE state = 'queued' AND is_due AND not_before > now()
                     LIMIT batch_size FOR NO KEY UPDATE SKIP LOCKED);
        GET DIAGNOSTICS changed = ROW_COUNT;
        COMMIT;
        EXIT WHEN changed = 0;
    END LOOP;
END $$;
COMMENT ON PROCEDURE refresh_is_due IS
    'Corrects the mark of queued deliveries that are due later, and commits after each batch of rows. The leader corrects '
    'the mark of those that are due.';
