-- Opening deliveries with their tokens, for one and for thousands. What is opened one by one is planned once for all, and
-- by indexes: a plan made while the tables were small would read more of them with each delivery.

CREATE OR REPLACE FUNCTION token_entries_move_balance() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    warnings delivery_request[];
BEGIN
    -- An entry that only records a change of the balance made elsewhere must not change it again.
    IF current_setting('leads.ledger', true) IS DISTINCT FROM 'recording' THEN
        PERFORM set_config('leads.ledger', 'moving', true);
        UPDATE users u
        SET token_balance = u.token_balance + moved.tokens
        FROM (
            SELECT e.user_id,
                   sum(CASE e.entry
                           WHEN 'hold' THEN -e.tokens
                           WHEN 'settle' THEN h.tokens - e.tokens
                           ELSE e.tokens
                       END) AS tokens
            FROM new_entries e
            LEFT JOIN LATERAL (
                SELECT o.tokens FROM token_entries o
                WHERE e.entry = 'settle' AND o.entry = 'hold'
                  AND o.delivery_id = e.delivery_id AND o.hold_number = e.hold_number
                OFFSET 0) h ON true
            GROUP BY e.user_id
        ) moved
        WHERE u.id = moved.user_id AND moved.tokens <> 0;
        PERFORM set_config('leads.ledger', '', true);
    END IF;

    INSERT INTO low_balance_watch (user_id)
    SELECT DISTINCT u.id FROM new_entries e JOIN users u ON u.id = e.user_id
    WHERE e.entry = 'grant' AND u.token_balance >= low_balance_threshold(u.email_preferences)
    ON CONFLICT DO NOTHING;

    WITH crossed AS (
        DELETE FROM low_balance_watch w
        USING (SELECT user_id, max(id) AS entry_id FROM new_entries WHERE entry = 'settle' GROUP BY user_id) spent, users u
        WHERE w.user_id = spent.user_id AND u.id = spent.user_id
          AND u.token_balance < low_balance_threshold(u.email_preferences)
        RETURNING spent.user_id, spent.entry_id
    )
    SELECT array_agg(ROW ('low_token_balance', user_id, NULL, 'low:' || user_id || ':' || entry_id, NULL, NULL, NULL,
                          NULL)::delivery_request)
    INTO warnings FROM crossed;
    IF warnings IS NOT NULL THEN
        PERFORM open_deliveries(warnings);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER token_entries_move_balance AFTER INSERT ON token_entries
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION token_entries_move_balance();

CREATE OR REPLACE FUNCTION hold_tokens(delivery_ids bigint[]) RETURNS bigint[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    open_ids bigint[] := delivery_ids;
    held bigint[];
    all_held bigint[] := '{}';
BEGIN
    -- In id order, so that two callers never wait for each other; the weaker lock, because the deliveries just
    -- inserted hold a share of the user's key.
    PERFORM FROM users
        WHERE id = ANY (ARRAY (SELECT d.subscriber_id
                               FROM unnest(delivery_ids) AS o (id) JOIN deliveries d ON d.id = o.id))
        ORDER BY id FOR NO KEY UPDATE;
    -- Best first while the balance lasts. What is dearer than the rest of the balance drops out, so that a
    -- text nobody can pay does not stand before an e-mail they can; each price takes a round at most.
    LOOP
        WITH ranked AS (
            SELECT d.id, d.subscriber_id, d.tokens, u.token_balance,
                   sum(d.tokens) OVER (PARTITION BY d.subscriber_id ORDER BY d.priority DESC, d.id) AS wanted
            FROM unnest(open_ids) AS o (id)
            JOIN deliveries d ON d.id = o.id
            CROSS JOIN LATERAL (SELECT token_balance FROM users WHERE id = d.subscriber_id OFFSET 0) u
            WHERE d.tokens > 0 AND d.tokens <= u.token_balance
        ), entries AS (
            INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number)
            SELECT r.subscriber_id, r.id, 'hold', r.tokens, 1 + h.earlier
            FROM ranked r
            CROSS JOIN LATERAL (
                SELECT count(*) AS earlier FROM token_entries e WHERE e.delivery_id = r.id AND e.entry = 'hold') h
            WHERE r.wanted <= r.token_balance
            RETURNING delivery_id
        )
        SELECT array_agg(delivery_id) INTO held FROM entries;
        EXIT WHEN held IS NULL;
        all_held := all_held || held;
        EXIT WHEN cardinality(held) = cardinality(open_ids);
        SELECT array_agg(id) INTO open_ids FROM (SELECT unnest(open_ids) AS id EXCEPT SELECT unnest(held)) AS rest;
    END LOOP;
    RETURN all_held;
END $$;
COMMENT ON FUNCTION hold_tokens IS
    'Holds the price of each delivery from its subscriber''s balance, best first; returns those that could be paid.';

CREATE OR REPLACE FUNCTION open_deliveries(requests delivery_request[])
RETURNS TABLE (dedupe_key text, delivery_id bigint, state text, opened boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    opened_ids bigint[];
    priced_ids bigint[];
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
        UPDATE deliveries d
        SET state = CASE WHEN k.is_owed THEN d.state ELSE 'skipped' END,
            tokens = CASE WHEN k.is_owed THEN 0 ELSE d.tokens END,
            error_code = CASE WHEN k.is_owed THEN NULL ELSE 'insufficient_tokens' END, updated_at = now()
        FROM (SELECT unnest(priced_ids) AS id EXCEPT SELECT unnest(hold_tokens(priced_ids))) AS unpaid, delivery_kinds k
        WHERE d.id = unpaid.id AND k.kind = d.kind;
    END IF;

    RETURN QUERY
    SELECT d.dedupe_key, d.id, d.state, o.id IS NOT NULL
    FROM (SELECT DISTINCT r.dedupe_key FROM unnest(requests) AS r) AS asked
    JOIN deliveries d ON d.dedupe_key = asked.dedupe_key
    LEFT JOIN unnest(opened_ids) AS o (id) ON o.id = d.id;
END $$;
COMMENT ON FUNCTION open_deliveries IS
    'Opens deliveries with their token holds: a known dedupe key gives the delivery there is, too few tokens a skipped one.';
