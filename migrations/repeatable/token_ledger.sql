-- The token ledger. Triggers keep entries and balances in agreement: a new entry changes the balance, and a direct
-- change to the balance adds an entry.

CREATE OR REPLACE FUNCTION low_balance_threshold(preferences jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(preferences -> 'low_balance_threshold')
               WHEN 'number' THEN (preferences ->> 'low_balance_threshold')::numeric ELSE 500 END
$$;

CREATE OR REPLACE FUNCTION token_entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'token_entries is append only: correct it with an adjust or refund entry';
END $$;

CREATE OR REPLACE TRIGGER token_entries_are_append_only BEFORE UPDATE OR DELETE ON token_entries
    FOR EACH STATEMENT EXECUTE FUNCTION token_entries_are_append_only();

CREATE OR REPLACE FUNCTION users_record_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change integer := NEW.token_balance - CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.token_balance END;
BEGIN
    IF change = 0 OR current_setting('leads.ledger', true) = 'moving' THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('leads.ledger', 'recording', true);
    INSERT INTO token_entries (user_id, entry, tokens, reason)
    VALUES (NEW.id, CASE WHEN change > 0 THEN 'grant' ELSE 'adjust' END, change, 'balance set outside the ledger');
    PERFORM set_config('leads.ledger', '', true);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER users_record_balance AFTER INSERT OR UPDATE OF token_balance ON users
    FOR EACH ROW EXECUTE FUNCTION users_record_balance();

-- These functions handle one delivery or thousands with the same query plan, which must use indexes. A plan made while
-- the tables were small would scan whole tables or whole indexes and slow down as the tables grow. LATERAL with OFFSET 0
-- makes the planner look up each row.

CREATE OR REPLACE FUNCTION token_entries_move_balance() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    warnings delivery_request[];
    has_grants boolean;
    has_settled boolean;
BEGIN
    -- If an entry records a change that was made to the balance directly, do not change the balance again.
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

    SELECT bool_or(entry = 'grant'), bool_or(entry = 'settle') INTO has_grants, has_settled FROM new_entries;
    IF has_grants THEN
        INSERT INTO low_balance_watch (user_id)
        SELECT DISTINCT u.id FROM new_entries e JOIN users u ON u.id = e.user_id
        WHERE e.entry = 'grant' AND u.token_balance >= low_balance_threshold(u.email_preferences)
        ON CONFLICT DO NOTHING;
    END IF;

    IF has_settled THEN
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
    END IF;
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
    -- Lock users in id order, so that two callers cannot deadlock. Use FOR NO KEY UPDATE, which is compatible with the
    -- KEY SHARE locks that new deliveries hold on the users.
    PERFORM FROM users
        WHERE id = ANY (ARRAY (SELECT (SELECT d.subscriber_id FROM deliveries d WHERE d.id = o.id)
                               FROM unnest(delivery_ids) AS o (id)))
        ORDER BY id FOR NO KEY UPDATE;
    -- Hold tokens in order of priority, highest first. Skip a delivery that costs more than the remaining balance, so
    -- that an SMS that the subscriber cannot pay for does not block an e-mail that costs less. The loop needs at most one
    -- iteration for each different price.
    LOOP
        WITH ranked AS (
            SELECT d.id, d.subscriber_id, d.tokens, u.token_balance,
                   sum(d.tokens) OVER (PARTITION BY d.subscriber_id ORDER BY d.priority DESC, d.id) AS wanted
            FROM unnest(open_ids) AS o (id)
            CROSS JOIN LATERAL (
                SELECT id, subscriber_id, tokens, priority FROM deliveries WHERE id = o.id OFFSET 0) d
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
    'Takes each delivery''s price from the subscriber''s balance as a token hold, highest priority first. '
    'Returns the ids of the deliveries whose tokens are held.';

CREATE OR REPLACE FUNCTION write_token_entries(entries ledger_backlog[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET lock_timeout = '500ms' AS $$
DECLARE
    free_users bigint[];
BEGIN
    INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number, reason)
    SELECT e.user_id, e.delivery_id, e.entry, e.tokens, e.hold_number, e.reason
    FROM unnest(entries) AS e ORDER BY e.user_id
    ON CONFLICT DO NOTHING;
EXCEPTION WHEN lock_not_available THEN
    free_users := ARRAY (SELECT id FROM users WHERE id IN (SELECT e.user_id FROM unnest(entries) AS e)
                         ORDER BY id FOR NO KEY UPDATE SKIP LOCKED);
    INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number, reason)
    SELECT e.user_id, e.delivery_id, e.entry, e.tokens, e.hold_number, e.reason
    FROM unnest(entries) AS e WHERE e.user_id = ANY (free_users) ORDER BY e.user_id
    ON CONFLICT DO NOTHING;
    INSERT INTO ledger_backlog (delivery_id, hold_number, entry, user_id, tokens, reason)
    SELECT e.delivery_id, e.hold_number, e.entry, e.user_id, e.tokens, e.reason
    FROM unnest(entries) AS e WHERE e.user_id <> ALL (free_users)
    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION write_token_entries IS
    'Writes entries to the ledger. A hold is settled or released only once. '
    'If another session has locked a subscriber, the subscriber''s entries go to ledger_backlog, so that nobody else waits for that lock.';

CREATE OR REPLACE FUNCTION settle_tokens(delivery_ids bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT write_token_entries(array_agg(
        ROW (h.delivery_id, h.hold_number, 'settle', h.user_id, h.tokens, NULL, NULL)::ledger_backlog))
    FROM token_entries h
    WHERE h.delivery_id = ANY (delivery_ids) AND h.entry = 'hold'
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION settle_tokens(bigint[]) IS
    'Settles the open token holds of deliveries that the provider accepted. A hold is settled or released only once.';

CREATE OR REPLACE FUNCTION settle_tokens(delivery_ids bigint[], amounts integer[]) RETURNS void LANGUAGE sql AS $$
    SELECT write_token_entries(array_agg(
        ROW (h.delivery_id, h.hold_number, 'settle', h.user_id, least(h.tokens, a.amount), NULL, NULL)::ledger_backlog))
    FROM unnest(delivery_ids, amounts) AS a (delivery_id, amount)
    JOIN token_entries h ON h.delivery_id = a.delivery_id AND h.entry = 'hold'
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION settle_tokens(bigint[], integer[]) IS
    'Settles the given amount of each delivery''s open token hold, at most the whole hold, and returns the rest to the balance.';

CREATE OR REPLACE FUNCTION release_tokens(delivery_ids bigint[], why text) RETURNS void LANGUAGE sql AS $$
    SELECT write_token_entries(array_agg(
        ROW (h.delivery_id, h.hold_number, 'release', h.user_id, h.tokens, why, NULL)::ledger_backlog))
    FROM token_entries h
    WHERE h.delivery_id = ANY (delivery_ids) AND h.entry = 'hold'
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION release_tokens IS
    'Releases the open token holds of deliveries that were never sent. A hold is settled or released only once.';

CREATE OR REPLACE FUNCTION refund_tokens(delivery_ids bigint[], why text, within interval) RETURNS void LANGUAGE sql AS $$
    SELECT write_token_entries(array_agg(
        ROW (s.delivery_id, s.hold_number, 'refund', s.user_id, s.tokens, why, NULL)::ledger_backlog))
    FROM token_entries s
    WHERE s.delivery_id = ANY (delivery_ids) AND s.entry = 'settle' AND s.tokens > 0 AND s.created_at > now() - within
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION refund_tokens IS
    'Refunds the tokens that were spent on the deliveries within the given time. Refunds each token hold only once.';

CREATE OR REPLACE FUNCTION call_tokens(seconds integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT 20 + 5 * ceil(greatest(seconds - 180, 0) / 60.0)::integer
$$;
COMMENT ON FUNCTION call_tokens IS
    'Returns the price of a call, which is 20 tokens for up to three minutes, and 5 for each further minute or part of a minute.';

CREATE OR REPLACE VIEW token_balances AS
SELECT u.id AS user_id, u.token_balance,
       coalesce(sum(e.tokens) FILTER (WHERE e.entry IN ('grant', 'adjust', 'release', 'refund')), 0)
       - coalesce(sum(e.tokens) FILTER (WHERE e.entry = 'hold'), 0)
       + coalesce(sum(h.tokens - e.tokens) FILTER (WHERE e.entry = 'settle'), 0) AS by_entries
FROM users u
LEFT JOIN token_entries e ON e.user_id = u.id
LEFT JOIN token_entries h ON e.entry = 'settle' AND h.entry = 'hold'
                         AND h.delivery_id = e.delivery_id AND h.hold_number = e.hold_number
GROUP BY u.id;
COMMENT ON VIEW token_balances IS
    'Each subscriber''s balance and the sum of the subscriber''s ledger entries. If balance and sum differ, the ledger is broken.';
