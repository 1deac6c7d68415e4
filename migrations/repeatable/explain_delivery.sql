-- requires: local_day, phone_numbers
--
-- Why a delivery is where it is, and what happens next. The sentences contain no personal data.

CREATE OR REPLACE FUNCTION spoken_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(moment AT TIME ZONE 'America/New_York',
                   CASE WHEN new_york_day(moment) = new_york_day(now()) THEN 'HH24:MI' ELSE 'Mon FMDD, HH24:MI' END)
$$;
COMMENT ON FUNCTION spoken_time IS 'Returns a time in New York, such as 14:02, or Nov 26, 14:02 if it is on another day.';

CREATE OR REPLACE FUNCTION one_line(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(left(btrim(regexp_replace(left(words, 1000), '[[:cntrl:][:space:]]+', ' ', 'g')), 200), '');
COMMENT ON FUNCTION one_line IS 'Returns a text from outside on one line and with at most 200 characters, or null if it is blank.';

CREATE OR REPLACE FUNCTION delivery_code_meaning(code text, message text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT c.meaning FROM delivery_codes c WHERE c.code = delivery_code_meaning.code),
                    CASE WHEN code ~ '^[45]\.\d{1,3}\.\d{1,3}$'
                         THEN 'the recipient''s mail server rejected it with the code ' || code END,
                    one_line(message),
                    'the provider answered with the code ' || one_line(code), 'the reason was not stored')
$$;
COMMENT ON FUNCTION delivery_code_meaning IS
    'Returns what an error code means, as the end of a sentence. For an unknown code, returns the stored message.';

CREATE OR REPLACE FUNCTION balance_before(subscriber bigint, moment timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT u.token_balance - coalesce((
        SELECT sum(CASE e.entry WHEN 'hold' THEN -e.tokens WHEN 'settle' THEN h.tokens - e.tokens ELSE e.tokens END)
        FROM token_entries e
        LEFT JOIN token_entries h ON e.entry = 'settle' AND h.entry = 'hold'
             AND h.delivery_id = e.delivery_id AND h.hold_number = e.hold_number
        WHERE e.user_id = subscriber AND e.created_at > moment), 0)
    FROM users u WHERE u.id = subscriber
$$;
COMMENT ON FUNCTION balance_before IS 'Returns a subscriber''s balance at a time, from the entries that came later.';

CREATE OR REPLACE FUNCTION explain_queued(d deliveries) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p.queue_name IS NOT NULL THEN
            format('waits because %s paused the queue %s at %s: %s', p.paused_by, p.queue_name, spoken_time(p.paused_at), one_line(p.reason))
        WHEN b.queue_name IS NOT NULL THEN
            format('waits because the queue %s is stopped since %s: %s. Next trial at %s', b.queue_name,
                   spoken_time(b.opened_at), coalesce(one_line(b.reason), delivery_code_meaning(b.code, NULL)), spoken_time(b.next_trial_at))
        WHEN kb.kind IS NOT NULL THEN
            format('waits because all deliveries of the kind %s are stopped since %s: %s. Next trial at %s', kb.kind,
                   spoken_time(kb.opened_at), coalesce(one_line(kb.reason), delivery_code_meaning(kb.code, NULL)), spoken_time(kb.next_trial_at))
        WHEN d.not_before > now() AND d.error_code = 'outside_call_window' AND d.error_message ~ '^[A-Z][A-Za-z_]+(/[A-Za-z_]+)+$'
             AND pg_input_is_valid('2026-01-01 00:00 ' || d.error_message, 'timestamptz') THEN
            format('deferred until %s in %s, because the lead''s number is there',
                   to_char(d.not_before AT TIME ZONE d.error_message,
                           CASE WHEN (d.not_before AT TIME ZONE d.error_message)::date = (now() AT TIME ZONE d.error_message)::date
                                THEN 'HH24:MI' ELSE 'HH24:MI on Mon FMDD' END),
                   replace(regexp_replace(d.error_message, '^.*/', ''), '_', ' '))
        WHEN d.not_before > now() AND d.error_code = 'operator' THEN
            format('deferred by an operator until %s: %s', spoken_time(d.not_before), one_line(d.error_message))
        WHEN d.not_before > now() AND d.resends > 0 THEN
            format('is sent again at %s, because nobody knows whether the first e-mail went out', spoken_time(d.not_before))
        WHEN d.not_before > now() AND d.attempts > 0 THEN
            format('waits for attempt %s of %s at %s, because %s', d.attempts + 1, cardinality(k.retry_delays) + 1,
                   spoken_time(d.not_before), delivery_code_meaning(d.error_code, d.error_message))
        WHEN d.not_before > now() AND d.error_code IS NOT NULL THEN
            format('deferred until %s, because %s', spoken_time(d.not_before), delivery_code_meaning(d.error_code, d.error_message))
        WHEN d.not_before > now() THEN format('is due at %s, as its sender asked', spoken_time(d.not_before))
        WHEN NOT EXISTS (SELECT FROM lane_status s WHERE s.queue_name = k.queue_name
                                                    AND s.heartbeat_at > now() - interval '30 seconds') THEN
            format('due since %s, but no worker serves the queue %s. Start one: dramatiq notifier', spoken_time(d.not_before), k.queue_name)
        WHEN d.error_code = 'calls_in_progress' THEN 'waits because the limit of calls in progress is reached. It starts when a call ends'
        WHEN ahead.due > 1000 THEN
            format('due since %s. More than 1,000 deliveries of its kind are older or more urgent', spoken_time(d.not_before))
        ELSE format('due since %s. A worker claims it after %s', spoken_time(d.not_before),
                    CASE ahead.due WHEN 0 THEN 'what it is sending now' WHEN 1 THEN '1 delivery that is older or more urgent'
                                   ELSE ahead.due || ' deliveries that are older or more urgent' END)
    END || format('. It expires at %s', spoken_time(d.due_at + k.max_age))
    FROM delivery_kinds k
    LEFT JOIN lane_pauses p ON p.queue_name = k.queue_name
    LEFT JOIN lane_breakers b ON b.queue_name = k.queue_name
    LEFT JOIN kind_breakers kb ON kb.kind = k.kind
    CROSS JOIN LATERAL (
        SELECT count(*) AS due
        FROM (SELECT FROM deliveries o
              WHERE o.kind = d.kind AND o.state = 'queued' AND o.is_due
                AND (o.priority > d.priority OR o.priority = d.priority AND o.id < d.id)
              LIMIT 1001) first_ones
    ) ahead
    WHERE k.kind = d.kind
$$;
COMMENT ON FUNCTION explain_queued IS 'Returns why a queued delivery waits, and when it is due and expires.';

CREATE OR REPLACE FUNCTION explain_unknown(d deliveries) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('unknown: %s at %s, so nobody knows whether it was sent', reason, spoken_time(d.updated_at)) || CASE
        WHEN d.channel = 'email' AND d.resends = 0 THEN
            format('; sent once more at %s unless SendGrid reports it first', spoken_time(d.updated_at + interval '10 minutes'))
        WHEN d.channel = 'email' THEN format('; parked at %s', spoken_time(d.updated_at + interval '10 minutes'))
        ELSE format('; asked again at %s; parked at %s',
                    spoken_time(CASE d.channel WHEN 'voice' THEN greatest(d.check_at, now())
                                ELSE greatest(d.updated_at + interval '1 minute', now()) END),
                    spoken_time(d.updated_at + interval '1 hour'))
    END
    FROM (SELECT CASE WHEN d.error_code = 'no_answer' OR d.error_code IS NULL
                      THEN CASE d.channel WHEN 'email' THEN 'SendGrid' ELSE 'Twilio' END || ' gave no answer'
                      ELSE delivery_code_meaning(d.error_code, d.error_message) END AS reason) r
$$;
COMMENT ON FUNCTION explain_unknown IS 'Returns why nobody knows the outcome of a delivery, and what the notifier does next.';

CREATE OR REPLACE FUNCTION explain_end(d deliveries) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE d.state
        WHEN 'skipped' THEN
            CASE WHEN d.error_code = 'insufficient_tokens' AND d.subscriber_id IS NOT NULL
                 THEN format('skipped: it costs %s tokens and %s tokens were left', greatest(d.tokens, k.tokens),
                             balance_before(d.subscriber_id, d.created_at))
                 ELSE format('skipped at %s, because %s', spoken_time(d.updated_at), meaning) END
        WHEN 'suppressed' THEN
            format('suppressed at %s, because the recipient must not be contacted', spoken_time(d.updated_at))
            || coalesce((SELECT format(': %s, since %s', left(s.reason, 100), spoken_time(s.created_at))
                         FROM suppressions s LEFT JOIN users u ON u.id = d.subscriber_id
                         WHERE s.channel = d.channel
                           AND s.address = coalesce(CASE d.channel WHEN 'email' THEN lower(d.recipient) ELSE d.recipient END,
                                                    CASE d.channel WHEN 'email' THEN lower(u.email) ELSE e164(u.phone_number) END)
                         LIMIT 1), '')
        WHEN 'expired' THEN
            format('expired at %s: it was not sent within %s of its due time', spoken_time(d.updated_at),
                   CASE WHEN k.max_age < interval '1 hour' THEN extract(epoch FROM k.max_age)::integer / 60 || ' minutes'
                        ELSE extract(epoch FROM k.max_age)::integer / 3600 || ' hours' END)
        WHEN 'cancelled' THEN
            CASE WHEN d.error_code = 'operator'
                 THEN format('cancelled by an operator at %s: %s', spoken_time(d.updated_at), one_line(d.error_message))
                 ELSE format('cancelled at %s, because %s', spoken_time(d.updated_at), meaning) END
        WHEN 'parked' THEN
            format('parked at %s, because nobody knows whether it was sent: %s. The token hold was released. Compare it with '
                   'the provider''s log, then retry it or dismiss its dead letter', spoken_time(d.updated_at), meaning)
        WHEN 'dead' THEN
            format('dead since %s: %s because %s', spoken_time(d.updated_at),
                   CASE WHEN d.attempts > 1 THEN format('all %s attempts failed, the last', d.attempts)
                        ELSE 'its attempt failed' END, meaning)
        ELSE format('failed at %s, because %s', spoken_time(d.updated_at), meaning)
    END || CASE WHEN d.state IN ('dead', 'failed') AND EXISTS (SELECT FROM failed_jobs f WHERE f.delivery_id = d.id AND f.state = 'open')
                THEN '. Its dead letter is open: retry or dismiss it' ELSE '' END
    FROM delivery_kinds k, (SELECT delivery_code_meaning(d.error_code, d.error_message) AS meaning) m
    WHERE k.kind = d.kind
$$;
COMMENT ON FUNCTION explain_end IS 'Returns why a delivery was not sent.';

CREATE OR REPLACE FUNCTION explain_accepted(d deliveries) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE d.state
        WHEN 'accepted' THEN
            format('accepted by %s at %s, which has not reported yet whether it arrived', provider, spoken_time(coalesce(d.accepted_at, d.updated_at)))
        WHEN 'sent' THEN
            format('sent by %s, which has not reported yet whether it arrived; accepted at %s', provider, spoken_time(coalesce(d.accepted_at, d.updated_at)))
        WHEN 'delivered' THEN
            CASE d.channel WHEN 'voice' THEN format('the call was answered and ended; the last report came at %s', spoken_time(d.updated_at))
                           ELSE format('delivered: %s reported at %s that it arrived', provider, spoken_time(d.updated_at)) END
        ELSE
            format('undelivered: %s reported at %s that it did not arrive, because %s', provider, spoken_time(d.updated_at),
                   delivery_code_meaning(d.error_code, d.error_message))
            || coalesce((SELECT format('. %s tokens were refunded', e.tokens) FROM token_entries e
                         WHERE e.delivery_id = d.id AND e.entry = 'refund' ORDER BY e.id DESC LIMIT 1), '')
    END
    FROM (SELECT CASE d.channel WHEN 'email' THEN 'SendGrid' ELSE 'Twilio' END AS provider) p
$$;
COMMENT ON FUNCTION explain_accepted IS 'Returns what a provider has reported about a delivery that it accepted.';

CREATE OR REPLACE FUNCTION explain_delivery(id bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN d.state = 'queued' THEN explain_queued(d)
        WHEN d.state = 'sending' THEN
            format('being sent since %s (attempt %s of %s). If its worker dies, its outcome counts as unknown about a minute later',
                   spoken_time(d.claimed_at), d.attempts, cardinality(k.retry_delays) + 1)
        WHEN d.state = 'unknown' THEN explain_unknown(d)
        WHEN d.state IN ('accepted', 'sent', 'delivered', 'undelivered') THEN explain_accepted(d)
        ELSE explain_end(d)
    END || '.' || CASE WHEN d.emptied_at IS NULL THEN '' ELSE
        format(' Its recipient and text were archived and removed on %s.', to_char(d.emptied_at AT TIME ZONE 'America/New_York', 'Mon FMDD, YYYY')) END
    FROM deliveries d JOIN delivery_kinds k ON k.kind = d.kind
    WHERE d.id = explain_delivery.id
$$;
COMMENT ON FUNCTION explain_delivery IS
    'Returns why a delivery is where it is and what happens next, with times in New York; null for an unknown id.';
