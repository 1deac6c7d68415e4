-- Insert an ordinary night many times over: finished deliveries, digests and alerts that are due later, alerts that are
-- due now, and events of e-mails and SMS that are not ours.
INSERT INTO users (email, first_name, phone_number, subscription_status, token_balance)
SELECT 'person' || n || '@example.com', 'Pat', '+1305' || lpad((2000000 + n)::text, 7, '0'), 'active', 1000
FROM generate_series(1, %(subscribers)s) AS n;

INSERT INTO deliveries (channel, kind, subscriber_id, dedupe_key, state, attempts, not_before, due_at, provider_id,
                        tokens, recipient, claimed_at, accepted_at, created_at, updated_at)
SELECT CASE WHEN n %% 10 = 0 THEN 'sms' ELSE 'email' END,
       CASE WHEN n %% 10 = 0 THEN 'urgent_lead_sms' WHEN n %% 3 = 0 THEN 'daily_digest' ELSE 'new_lead_alert' END,
       1 + n %% %(subscribers)s, 'finished:' || n, CASE WHEN n %% 20 = 0 THEN 'sent' ELSE 'delivered' END, 1, t.at, t.at,
       CASE WHEN n %% 10 = 0 THEN 'SM' || md5(n::text) ELSE left(md5((n / 50)::text), 22) END, 1,
       'person' || (1 + n %% %(subscribers)s) || '@example.com', t.at + interval '1 s', t.at + interval '2 s', t.at,
       t.at + interval '1 min'
FROM generate_series(1, %(finished)s) AS n,
     LATERAL (SELECT now() - interval '30 days' * (1 - n / %(finished)s::float8) AS at) t;

INSERT INTO deliveries (channel, kind, subscriber_id, dedupe_key, priority, not_before, due_at, tokens,
                        is_due)
SELECT 'email', CASE WHEN n %% 2 = 0 THEN 'daily_digest' ELSE 'new_lead_alert' END, 1 + n %% %(subscribers)s, 'later:' || n,
       n %% 100, now() + interval '3 hours' + n %% 600 * interval '1 s', now(), 1, false
FROM generate_series(1, %(later)s) AS n;

INSERT INTO deliveries (channel, kind, subscriber_id, dedupe_key, priority, not_before, due_at, tokens)
SELECT 'email', 'new_lead_alert', 1 + n %% %(subscribers)s, 'due:' || n, n %% 100, now(), now(), 1
FROM generate_series(1, %(due)s) AS n;

INSERT INTO delivery_events (provider, event, event_key, provider_id, received_at)
SELECT CASE WHEN n %% 2 = 0 THEN 'sendgrid' ELSE 'twilio' END, 'delivered', 'foreign:' || n, 'foreign' || n,
       now() - interval '2 days' * (n / %(events)s::float8)
FROM generate_series(1, %(events)s) AS n;

INSERT INTO token_entries (user_id, delivery_id, entry, tokens)
SELECT subscriber_id, id, e.entry, 1
FROM deliveries, unnest('{hold,settle}'::text[]) AS e (entry)
WHERE id <= %(finished)s / 5;
