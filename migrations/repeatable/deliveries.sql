-- Functions that create and cancel deliveries, and the dedupe keys of deliveries.

CREATE OR REPLACE FUNCTION trial_key(subscriber bigint, days_remaining integer) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'trial:' || subscriber || ':' || coalesce(to_char(u.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
           || ':' || days_remaining
    FROM (SELECT (SELECT trial_ends_at FROM users WHERE id = subscriber)) AS u (trial_ends_at)
$$;
COMMENT ON FUNCTION trial_key IS
    'Returns the dedupe key of a trial reminder. '
    'When a trial is extended, the key changes, so the subscriber is reminded again.';

CREATE OR REPLACE FUNCTION delivery_key(template text, subscriber bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN template ~ '^trial:[0-9]{1,9}$' THEN trial_key(subscriber, split_part(template, ':', 2)::integer)
        WHEN template = 'low' THEN 'low:' || subscriber || ':' || coalesce(
            (SELECT max(id) FROM token_entries WHERE user_id = subscriber AND entry = 'settle'), 0)
        ELSE template
    END
$$;
COMMENT ON FUNCTION delivery_key IS
    'Returns the dedupe key that a key template describes. '
    'The templates for trial reminders (trial:{days}) and low balances (low) are filled with values from the database. '
    'Any other template is already the key and is returned unchanged.';

CREATE OR REPLACE FUNCTION open_deliveries(requests delivery_request[])
RETURNS TABLE (dedupe_key text, delivery_id bigint, state text, opened boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    opened_ids bigint[];
    priced_ids bigint[];
    paid_ids bigint[];
BEGIN
    WITH opened AS (
        INSERT INTO deliveries AS d (channel, kind, subscriber_id, lead_id, dedupe_key, not_before, due_at, params,
                                     tokens, priority)
        SELECT k.channel, k.kind, r.subscriber_id, r.lead_id, r.dedupe_key, coalesce(r.not_before, now()),
               coalesce(r.not_before, now()), coalesce(r.params, '{}'), coalesce(r.tokens, k.tokens), coalesce(r.priority, 0)
        FROM unnest(requests) WITH ORDINALITY AS r
        JOIN delivery_kinds k ON k.kind = r.kind
        ORDER BY r.priority DESC NULLS LAST, r.ordinality
        ON CONFLICT (dedupe_key) DO NOTHING
        RETURNING d.id, d.tokens
    )
    SELECT array_agg(id), array_agg(id) FILTER (WHERE tokens > 0) INTO opened_ids, priced_ids FROM opened;

    IF priced_ids IS NOT NULL THEN
        paid_ids := hold_tokens(priced_ids);
    END IF;
    IF cardinality(paid_ids) < cardinality(priced_ids) THEN
        UPDATE deliveries d
        SET state = CASE WHEN k.is_owed THEN d.state ELSE 'skipped' END,
            tokens = CASE WHEN k.is_owed THEN 0 ELSE d.tokens END,
            error_code = CASE WHEN k.is_owed THEN NULL ELSE 'insufficient_tokens' END, updated_at = now()
        FROM (SELECT unnest(priced_ids) AS id EXCEPT SELECT unnest(paid_ids)) AS unpaid, delivery_kinds k
        WHERE d.id = unpaid.id AND k.kind = d.kind;
    END IF;

    RETURN QUERY
    SELECT d.dedupe_key, d.id, d.state, o.id IS NOT NULL
    FROM (SELECT DISTINCT r.dedupe_key FROM unnest(requests) AS r) AS asked
    CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE dedupe_key = asked.dedupe_key OFFSET 0) d
    LEFT JOIN unnest(opened_ids) AS o (id) ON o.id = d.id;
END $$;
COMMENT ON FUNCTION open_deliveries IS
    'Creates deliveries and holds their tokens. If a delivery with the dedupe key exists, returns that delivery. '
    'If the subscriber has too few tokens, the new delivery is skipped.';

CREATE OR REPLACE FUNCTION enqueue_deliveries(requests jsonb, timeout integer DEFAULT NULL)
RETURNS TABLE (delivery_id bigint, state text, opened boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    complete delivery_request[];
BEGIN
    IF timeout IS NOT NULL THEN
        PERFORM set_config('lock_timeout', timeout::text, true);
    END IF;
    SELECT array_agg(ROW (r.kind, r.subscriber_id, r.lead_id, delivery_key(r.dedupe_key, r.subscriber_id),
                          coalesce(r.priority, (SELECT l.lead_score FROM leads l WHERE l.id = r.lead_id), 0),
                          coalesce(r.not_before, now()) + coalesce(make_interval(secs => r.delay), '0'), r.params,
                          r.tokens)::delivery_request ORDER BY r.ordinality)
    INTO complete
    FROM ROWS FROM (jsonb_to_recordset(requests) AS (kind text, subscriber_id bigint, lead_id bigint, dedupe_key text,
                    params jsonb, priority integer, tokens integer, not_before timestamptz, delay double precision))
         WITH ORDINALITY AS r;

    RETURN QUERY
    SELECT o.delivery_id, o.state, o.opened
    FROM unnest(complete) WITH ORDINALITY AS r
    JOIN open_deliveries(complete) o ON o.dedupe_key = r.dedupe_key
    ORDER BY r.ordinality;
END $$;
COMMENT ON FUNCTION enqueue_deliveries IS
    'Enqueues the requested deliveries, and returns the new or existing delivery for each request, in the same order. '
    'Fills in the dedupe keys and priorities that depend on stored rows. Waits for locked subscribers no longer than the timeout (ms).';

CREATE OR REPLACE FUNCTION cancel_deliveries(delivery_ids bigint[], why text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    cancelled bigint[];
BEGIN
    WITH changed AS (
        UPDATE deliveries SET state = 'cancelled', error_code = why, updated_at = now()
        WHERE id = ANY (delivery_ids) AND state = 'queued'
        RETURNING id
    )
    SELECT array_agg(id) INTO cancelled FROM changed;
    PERFORM release_tokens(cancelled, why);
    RETURN coalesce(cardinality(cancelled), 0);
END $$;

CREATE OR REPLACE FUNCTION wipe_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.params := NEW.params - 'secret';
    RETURN NEW;
END $$;
COMMENT ON FUNCTION wipe_secret IS
    'Deletes a delivery''s encrypted verification code as soon as the delivery can no longer be sent.';

CREATE OR REPLACE TRIGGER deliveries_wipe_secret BEFORE UPDATE OF state ON deliveries FOR EACH ROW
    WHEN (NEW.state NOT IN ('queued', 'sending') AND NEW.params ? 'secret')
    EXECUTE FUNCTION wipe_secret();
