-- requires: dead_letters, deliveries
--
-- Operators' actions on deliveries and dead letters. An action is a row with the ids that the operator chose. Batches of
-- the ids are worked on in order, each in one transaction, so an action continues where it ended when its process is
-- killed. Every function below changes only rows whose state allows it: nothing that a provider has accepted, or may
-- have accepted, is ever queued again.

CREATE OR REPLACE FUNCTION start_operator_action(
    actor text, action text, object_type text, object_ids bigint[], reason text, parameters jsonb DEFAULT '{}',
    request_key text DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    chosen bigint[] := ARRAY(SELECT DISTINCT id FROM unnest(object_ids) AS id WHERE id IS NOT NULL ORDER BY id);
    started bigint;
BEGIN
    IF ((object_type, action) IN (('delivery', 'retry'), ('delivery', 'send_now'), ('delivery', 'defer'),
                                  ('delivery', 'cancel'), ('dead_letter', 'retry'), ('dead_letter', 'dismiss'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no action % for a %', action, object_type USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(btrim(reason), '') = '' OR length(reason) > 500 THEN
        RAISE EXCEPTION 'an action needs a reason of at most 500 characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(chosen) > 200000 THEN
        RAISE EXCEPTION 'an action changes at most 200,000 rows: narrow the filter' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF action = 'defer' AND coalesce((parameters ->> 'not_before')::timestamptz <= now(), true) THEN
        RAISE EXCEPTION 'defer needs a time in the future' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO operator_actions AS a (actor, action, object_type, object_ids, rows, reason, parameters, request_key, state)
    VALUES (actor, action, object_type, chosen, cardinality(chosen), btrim(reason), parameters, request_key, 'running')
    ON CONFLICT ON CONSTRAINT operator_actions_request_key_key DO NOTHING
    RETURNING a.id INTO started;
    RETURN coalesce(started, (SELECT a.id FROM operator_actions a WHERE a.request_key = start_operator_action.request_key));
END $$;
COMMENT ON FUNCTION start_operator_action IS
    'Records an operator''s action as running, and returns its id. If the request key was used before, returns the id of '
    'the action that it started. Raises invalid_parameter_value for an unknown action, a missing reason, or too many rows.';

CREATE OR REPLACE FUNCTION retry_deliveries(delivery_ids bigint[], scale double precision)
RETURNS TABLE (id bigint, refusal text) LANGUAGE sql AS $$
    WITH letters AS MATERIALIZED (
        SELECT DISTINCT ON (f.delivery_id) f.delivery_id, f.id
        FROM failed_jobs f WHERE f.delivery_id = ANY (delivery_ids) AND f.state = 'open'
        ORDER BY f.delivery_id, f.id DESC
    ), replayed AS MATERIALIZED (
        SELECT r.job_id, r.outcome FROM replay_dead_letters(ARRAY(SELECT l.id FROM letters l), scale) r
    )
    SELECT chosen.id, CASE
        WHEN d.id IS NULL THEN 'there is no such delivery'
        WHEN l.id IS NULL AND d.state NOT IN ('dead', 'failed', 'parked') THEN 'the delivery is ' || d.state
        WHEN l.id IS NULL THEN 'the delivery has no open dead letter'
        WHEN r.outcome <> 'replayed' THEN r.outcome
    END
    FROM unnest(delivery_ids) AS chosen (id)
    LEFT JOIN deliveries d ON d.id = chosen.id
    LEFT JOIN letters l ON l.delivery_id = chosen.id
    LEFT JOIN replayed r ON r.job_id = l.id
$$;
COMMENT ON FUNCTION retry_deliveries IS
    'Replays the open dead letters of deliveries. Returns for each delivery the reason why it was not queued again, or null.';

CREATE OR REPLACE FUNCTION retry_dead_letters(job_ids bigint[], scale double precision)
RETURNS TABLE (id bigint, refusal text) LANGUAGE sql AS $$
    SELECT job_id, nullif(outcome, 'replayed') FROM replay_dead_letters(job_ids, scale)
$$;
COMMENT ON FUNCTION retry_dead_letters IS
    'Replays dead letters. Returns for each dead letter the reason why it was not replayed, or null.';

CREATE OR REPLACE FUNCTION dismiss_dead_letters(job_ids bigint[])
RETURNS TABLE (id bigint, refusal text) LANGUAGE sql AS $$
    WITH dismissed AS (
        UPDATE failed_jobs f SET state = 'dismissed' WHERE f.id = ANY (job_ids) AND f.state = 'open' RETURNING f.id
    )
    SELECT chosen.id, CASE
        WHEN f.id IS NULL THEN 'there is no such dead letter'
        WHEN d.id IS NULL THEN 'the dead letter is already ' || f.state
    END
    FROM unnest(job_ids) AS chosen (id)
    LEFT JOIN failed_jobs f ON f.id = chosen.id
    LEFT JOIN dismissed d ON d.id = chosen.id
$$;
COMMENT ON FUNCTION dismiss_dead_letters IS
    'Closes open dead letters without another attempt. Returns for each dead letter the reason why it was not closed, or null.';

CREATE OR REPLACE FUNCTION send_deliveries_now(delivery_ids bigint[])
RETURNS TABLE (id bigint, refusal text) LANGUAGE sql AS $$
    WITH before AS MATERIALIZED (
        SELECT d.id, d.state, d.not_before FROM deliveries d WHERE d.id = ANY (delivery_ids)
        ORDER BY d.id FOR NO KEY UPDATE
    ), changed AS (
        UPDATE deliveries d SET not_before = now(), updated_at = now()
        FROM before b WHERE d.id = b.id AND b.state = 'queued' AND b.not_before > now()
        RETURNING d.id
    )
    SELECT chosen.id, CASE
        WHEN b.id IS NULL THEN 'there is no such delivery'
        WHEN b.state <> 'queued' THEN 'the delivery is ' || b.state
        WHEN c.id IS NULL THEN 'the delivery is due already'
    END
    FROM unnest(delivery_ids) AS chosen (id)
    LEFT JOIN before b ON b.id = chosen.id
    LEFT JOIN changed c ON c.id = chosen.id
$$;
COMMENT ON FUNCTION send_deliveries_now IS
    'Makes queued deliveries due now. Workers still check consent, call windows, preferences and limits before they send. '
    'Returns for each delivery the reason why it was not changed, or null.';

CREATE OR REPLACE FUNCTION defer_deliveries(delivery_ids bigint[], until timestamptz, why text, scale double precision)
RETURNS TABLE (id bigint, refusal text) LANGUAGE sql AS $$
    WITH before AS MATERIALIZED (
        SELECT d.id, d.state, until > d.due_at + k.max_age * scale AS is_too_late
        FROM deliveries d JOIN delivery_kinds k ON k.kind = d.kind WHERE d.id = ANY (delivery_ids)
        ORDER BY d.id FOR NO KEY UPDATE OF d
    ), changed AS (
        UPDATE deliveries d
        SET not_before = until, error_code = 'operator', error_message = why, updated_at = now()
        FROM before b WHERE d.id = b.id AND b.state = 'queued' AND NOT b.is_too_late
        RETURNING d.id
    )
    SELECT chosen.id, CASE
        WHEN b.id IS NULL THEN 'there is no such delivery'
        WHEN b.state <> 'queued' THEN 'the delivery is ' || b.state
        WHEN c.id IS NULL THEN 'the delivery would be too old by then'
    END
    FROM unnest(delivery_ids) AS chosen (id)
    LEFT JOIN before b ON b.id = chosen.id
    LEFT JOIN changed c ON c.id = chosen.id
$$;
COMMENT ON FUNCTION defer_deliveries IS
    'Makes queued deliveries due at a later time. Returns for each delivery the reason why it was not changed, or null.';

CREATE OR REPLACE FUNCTION cancel_queued_deliveries(delivery_ids bigint[], why text)
RETURNS TABLE (id bigint, refusal text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    queued bigint[];
BEGIN
    SELECT array_agg(locked.id) INTO queued
    FROM (SELECT d.id FROM deliveries d WHERE d.id = ANY (delivery_ids) AND d.state = 'queued'
          ORDER BY d.id FOR NO KEY UPDATE) locked;
    PERFORM cancel_deliveries(queued, 'operator');
    UPDATE deliveries d SET error_message = why WHERE d.id = ANY (queued);
    RETURN QUERY
    SELECT chosen.id, CASE
        WHEN d.id IS NULL THEN 'there is no such delivery'
        WHEN chosen.id = ANY (queued) THEN NULL
        ELSE 'the delivery is ' || d.state
    END
    FROM unnest(delivery_ids) AS chosen (id) LEFT JOIN deliveries d ON d.id = chosen.id;
END $$;
COMMENT ON FUNCTION cancel_queued_deliveries IS
    'Cancels queued deliveries and releases their token holds. Returns for each delivery the reason why it was not '
    'cancelled, or null.';

CREATE OR REPLACE FUNCTION continue_operator_action(action_id bigint, batch integer, scale double precision DEFAULT 1)
RETURNS operator_actions LANGUAGE plpgsql AS $$
DECLARE
    a operator_actions;
    ids bigint[];
    batch_changed bigint;
    batch_refusals jsonb;
BEGIN
    SELECT * INTO a FROM operator_actions WHERE id = action_id AND state = 'running' FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO a FROM operator_actions WHERE id = action_id;
        RETURN a;
    END IF;
    batch := greatest(batch, 1);
    ids := a.object_ids[a.done + 1:a.done + batch];
    CREATE TEMP TABLE IF NOT EXISTS action_outcomes (id bigint, refusal text) ON COMMIT DROP;
    TRUNCATE action_outcomes;
    CASE a.object_type || ' ' || a.action
        WHEN 'delivery retry' THEN INSERT INTO action_outcomes SELECT * FROM retry_deliveries(ids, scale);
        WHEN 'dead_letter retry' THEN INSERT INTO action_outcomes SELECT * FROM retry_dead_letters(ids, scale);
        WHEN 'dead_letter dismiss' THEN INSERT INTO action_outcomes SELECT * FROM dismiss_dead_letters(ids);
        WHEN 'delivery send_now' THEN INSERT INTO action_outcomes SELECT * FROM send_deliveries_now(ids);
        WHEN 'delivery cancel' THEN INSERT INTO action_outcomes SELECT * FROM cancel_queued_deliveries(ids, a.reason);
        WHEN 'delivery defer' THEN
            INSERT INTO action_outcomes
            SELECT * FROM defer_deliveries(ids, (a.parameters ->> 'not_before')::timestamptz, a.reason, scale);
    END CASE;
    SELECT count(*) FILTER (WHERE refusal IS NULL) INTO batch_changed FROM action_outcomes;
    SELECT coalesce(jsonb_object_agg(refusal, refused), '{}') INTO batch_refusals
    FROM (SELECT refusal, sum(refused) AS refused
          FROM (SELECT refusal, count(*) AS refused FROM action_outcomes WHERE refusal IS NOT NULL GROUP BY refusal
                UNION ALL
                SELECT key, value::bigint FROM jsonb_each_text(a.refusals)) all_refusals
          GROUP BY refusal) counted;
    UPDATE operator_actions
    SET done = least(a.done + batch, a.rows), changed = a.changed + batch_changed, refusals = batch_refusals,
        state = CASE WHEN a.done + batch >= a.rows THEN 'done' ELSE 'running' END,
        finished_at = CASE WHEN a.done + batch >= a.rows THEN clock_timestamp() END
    WHERE id = a.id
    RETURNING * INTO a;
    RETURN a;
END $$;
COMMENT ON FUNCTION continue_operator_action IS
    'Works on the next rows of a running action, in the caller''s transaction, and returns the action''s row. Does '
    'nothing if the action has ended or another process is working on it.';

CREATE OR REPLACE FUNCTION stop_operator_action(action_id bigint, actor text) RETURNS boolean LANGUAGE sql AS $$
    WITH stopped AS (
        UPDATE operator_actions SET state = 'stopped', stopped_by = stop_operator_action.actor, finished_at = now()
        WHERE id = action_id AND state = 'running'
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM stopped)
$$;
COMMENT ON FUNCTION stop_operator_action IS
    'Stops a running action after the batch that is being worked on. Returns false if the action has ended already.';
