-- The token ledger. Entries and balance cannot drift apart: whoever writes the one, a trigger writes the other.

-- One way to open deliveries, for one and for thousands.
CREATE TYPE delivery_request AS (
    kind text,
    subscriber_id bigint,
    lead_id bigint,
    dedupe_key text,
    priority integer,
    not_before timestamptz,
    params jsonb,
    tokens integer
);

CREATE TABLE low_balance_watch (user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE);
COMMENT ON TABLE low_balance_watch IS
    'Subscribers who will be told when spending takes them below their threshold; a grant that lifts them to it puts them in.';

CREATE FUNCTION low_balance_threshold(preferences jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(preferences -> 'low_balance_threshold')
               WHEN 'number' THEN (preferences ->> 'low_balance_threshold')::numeric ELSE 500 END
$$;

CREATE FUNCTION token_entries_move_balance() RETURNS trigger LANGUAGE plpgsql AS $$
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
            LEFT JOIN token_entries h
                   ON e.entry = 'settle' AND h.entry = 'hold'
                  AND h.delivery_id = e.delivery_id AND h.hold_number = e.hold_number
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

CREATE TRIGGER token_entries_move_balance AFTER INSERT ON token_entries
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION token_entries_move_balance();

CREATE FUNCTION token_entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'token_entries is append only: correct it with an adjust or refund entry';
END $$;

CREATE TRIGGER token_entries_are_append_only BEFORE UPDATE OR DELETE ON token_entries
    FOR EACH STATEMENT EXECUTE FUNCTION token_entries_are_append_only();

CREATE FUNCTION users_record_balance() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER users_record_balance AFTER INSERT OR UPDATE OF token_balance ON users
    FOR EACH ROW EXECUTE FUNCTION users_record_balance();

CREATE FUNCTION trial_key(subscriber bigint, days_remaining integer) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'trial:' || subscriber || ':' || coalesce(to_char(u.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
           || ':' || days_remaining
    FROM (SELECT (SELECT trial_ends_at FROM users WHERE id = subscriber)) AS u (trial_ends_at)
$$;
COMMENT ON FUNCTION trial_key IS 'Dedupe key of a trial reminder, for both sides: a trial that was extended is reminded of anew.';

CREATE FUNCTION delivery_key(template text, subscriber bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN template LIKE 'trial:%' THEN trial_key(subscriber, split_part(template, ':', 2)::integer)
        WHEN template = 'low' THEN 'low:' || subscriber || ':' || coalesce(
            (SELECT max(id) FROM token_entries WHERE user_id = subscriber AND entry = 'settle'), 0)
        ELSE template
    END
$$;
COMMENT ON FUNCTION delivery_key IS
    'The dedupe key that a request means: that of a trial reminder (trial:{days}) or of a low balance (low) rests on what only the database knows.';

CREATE FUNCTION hold_tokens(delivery_ids bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    open_ids bigint[] := delivery_ids;
    held bigint[];
    all_held bigint[] := '{}';
BEGIN
    -- In id order, so that two callers never wait for each other; the weaker lock, because the deliveries just
    -- inserted hold a share of the user's key.
    PERFORM FROM users
        WHERE id IN (SELECT d.subscriber_id FROM unnest(delivery_ids) AS o (id) JOIN deliveries d ON d.id = o.id)
        ORDER BY id FOR NO KEY UPDATE;
    -- Best first while the balance lasts. What is dearer than the rest of the balance drops out, so that a
    -- text nobody can pay does not stand before an e-mail they can; each price takes a round at most.
    LOOP
        WITH ranked AS (
            SELECT d.id, d.subscriber_id, d.tokens, u.token_balance,
                   sum(d.tokens) OVER (PARTITION BY d.subscriber_id ORDER BY d.priority DESC, d.id) AS wanted
            FROM unnest(open_ids) AS o (id)
            JOIN deliveries d ON d.id = o.id
            JOIN users u ON u.id = d.subscriber_id
            WHERE d.tokens > 0 AND d.tokens <= u.token_balance
        ), earlier AS (
            -- One look for all: a look for each would take the square of them where the table is thought to be empty.
            SELECT e.delivery_id, count(*) AS holds
            FROM unnest(open_ids) AS o (id)
            JOIN token_entries e ON e.delivery_id = o.id AND e.entry = 'hold'
            GROUP BY e.delivery_id
        ), entries AS (
            INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number)
            SELECT r.subscriber_id, r.id, 'hold', r.tokens, 1 + coalesce(h.holds, 0)
            FROM ranked r
            LEFT JOIN earlier h ON h.delivery_id = r.id
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

CREATE FUNCTION open_deliveries(requests delivery_request[])
RETURNS TABLE (dedupe_key text, delivery_id bigint, state text, opened boolean)
LANGUAGE plpgsql AS $$
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

CREATE FUNCTION settle_tokens(delivery_ids bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number)
    SELECT h.user_id, h.delivery_id, 'settle', h.tokens, h.hold_number
    FROM token_entries h
    WHERE h.delivery_id = ANY (delivery_ids) AND h.entry = 'hold'
    ORDER BY h.user_id
    ON CONFLICT (delivery_id, hold_number) WHERE entry IN ('settle', 'release') DO NOTHING
$$;
COMMENT ON FUNCTION settle_tokens(bigint[]) IS 'Spends the open holds of deliveries that the provider accepted; a hold ends once.';

CREATE FUNCTION settle_tokens(delivery_ids bigint[], amounts integer[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number)
    SELECT h.user_id, h.delivery_id, 'settle', least(h.tokens, a.amount), h.hold_number
    FROM unnest(delivery_ids, amounts) AS a (delivery_id, amount)
    JOIN token_entries h ON h.delivery_id = a.delivery_id AND h.entry = 'hold'
    ORDER BY h.user_id
    ON CONFLICT (delivery_id, hold_number) WHERE entry IN ('settle', 'release') DO NOTHING
$$;
COMMENT ON FUNCTION settle_tokens(bigint[], integer[]) IS
    'Spends of each delivery''s open hold what it cost, at most what was held; the rest returns by the same entry.';

CREATE FUNCTION refund_tokens(delivery_ids bigint[], why text, within interval) RETURNS void LANGUAGE sql AS $$
    INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number, reason)
    SELECT s.user_id, s.delivery_id, 'refund', s.tokens, s.hold_number, why
    FROM token_entries s
    WHERE s.delivery_id = ANY (delivery_ids) AND s.entry = 'settle' AND s.tokens > 0 AND s.created_at > now() - within
    ORDER BY s.user_id
    ON CONFLICT (delivery_id, hold_number) WHERE entry = 'refund' DO NOTHING
$$;
COMMENT ON FUNCTION refund_tokens IS 'Gives back what was spent on deliveries no longer ago than that; once.';

CREATE FUNCTION call_tokens(seconds integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT 20 + 5 * ceil(greatest(seconds - 180, 0) / 60.0)::integer
$$;
COMMENT ON FUNCTION call_tokens IS 'Price of a call: 20 for the first three minutes, 5 for each started minute beyond.';

CREATE FUNCTION release_tokens(delivery_ids bigint[], why text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number, reason)
    SELECT h.user_id, h.delivery_id, 'release', h.tokens, h.hold_number, why
    FROM token_entries h
    WHERE h.delivery_id = ANY (delivery_ids) AND h.entry = 'hold'
    ORDER BY h.user_id
    ON CONFLICT (delivery_id, hold_number) WHERE entry IN ('settle', 'release') DO NOTHING
$$;
COMMENT ON FUNCTION release_tokens IS 'Gives back the open holds of deliveries that were never sent; a hold ends once.';

CREATE FUNCTION cancel_deliveries(delivery_ids bigint[], why text) RETURNS bigint LANGUAGE plpgsql AS $$
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

CREATE VIEW token_balances AS
SELECT u.id AS user_id, u.token_balance,
       coalesce(sum(e.tokens) FILTER (WHERE e.entry IN ('grant', 'adjust', 'release', 'refund')), 0)
       - coalesce(sum(e.tokens) FILTER (WHERE e.entry = 'hold'), 0)
       + coalesce(sum(h.tokens - e.tokens) FILTER (WHERE e.entry = 'settle'), 0) AS by_entries
FROM users u
LEFT JOIN token_entries e ON e.user_id = u.id
LEFT JOIN token_entries h ON e.entry = 'settle' AND h.entry = 'hold'
                         AND h.delivery_id = e.delivery_id AND h.hold_number = e.hold_number
GROUP BY u.id;
COMMENT ON VIEW token_balances IS 'Each balance beside what its entries add up to; they are equal, or the ledger is broken.';

-- What readers of the former system know, over the rows of this one.
CREATE VIEW email_logs AS
SELECT subscriber_id AS user_id, kind AS email_type, provider_id AS sendgrid_message_id,
       recipient AS recipient_email,
       CASE state WHEN 'accepted' THEN 'sent' WHEN 'dead' THEN 'failed' WHEN 'parked' THEN 'failed' ELSE state END AS status,
       accepted_at AS sent_at
FROM deliveries WHERE channel = 'email' AND emptied_at IS NULL;

CREATE VIEW sms_logs AS
SELECT subscriber_id AS user_id,
       CASE kind WHEN 'verification_sms' THEN 'verification' WHEN 'urgent_lead_sms' THEN 'urgent_lead' ELSE kind END AS sms_type,
       provider_id AS twilio_message_sid, recipient AS recipient_phone, body AS message_body,
       CASE state WHEN 'accepted' THEN 'sent' WHEN 'dead' THEN 'failed' WHEN 'parked' THEN 'failed' ELSE state END AS status,
       accepted_at AS sent_at
FROM deliveries WHERE channel = 'sms' AND emptied_at IS NULL;

CREATE VIEW voice_call_logs AS
SELECT subscriber_id, lead_id, provider_id AS twilio_call_sid,
       CASE kind WHEN 'inbound_call' THEN 'inbound' ELSE 'outbound' END AS direction,
       sender AS from_number, recipient AS to_number,
       CASE state WHEN 'accepted' THEN 'sent' WHEN 'dead' THEN 'failed' WHEN 'parked' THEN 'failed' ELSE state END AS status,
       created_at
FROM deliveries WHERE channel = 'voice';

CREATE VIEW token_usage_logs AS
SELECT e.user_id,
       CASE WHEN e.lookup_id IS NOT NULL THEN 'property_lookup'
            WHEN d.channel = 'email' THEN 'email'
            WHEN d.channel = 'sms' THEN 'sms_notification'
            WHEN d.kind = 'inbound_call' THEN 'voice_call_inbound'
            ELSE 'voice_call_outbound' END AS action_type,
       e.tokens AS tokens_used,
       coalesce(d.lead_id, p.id, d.id, e.lookup_id) AS entity_id,
       CASE WHEN d.lead_id IS NOT NULL THEN 'lead'
            WHEN d.id IS NOT NULL THEN 'delivery'
            WHEN p.id IS NOT NULL THEN 'property'
            ELSE 'lookup' END AS entity_type,
       e.created_at
FROM token_entries e
LEFT JOIN deliveries d ON d.id = e.delivery_id
LEFT JOIN lookups l ON l.id = e.lookup_id
LEFT JOIN properties p ON p.folio_number = l.folio_number
WHERE e.entry = 'settle';
