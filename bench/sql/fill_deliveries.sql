-- Write %(deliveries)s deliveries of the last half year. 95 %% were sent. The newest 2 %% are mostly queued. Few subscribers
-- have many deliveries, and many have few.
INSERT INTO deliveries (id, channel, kind, subscriber_id, lead_id, dedupe_key, state, attempts, not_before, due_at,
                        provider_id, error_code, error_message, tokens, recipient, body, accepted_at, emptied_at,
                        created_at, updated_at, claimed_at)
SELECT c.id, k.channel, c.kind, c.subscriber_id, c.lead_id,
       'lead:' || c.id || ':user:' || c.subscriber_id || ':' || c.kind, c.state,
       CASE WHEN c.state = 'queued' THEN 0 WHEN c.is_trouble THEN 3 ELSE 1 END,
       c.created_at + c.delay, c.created_at,
       CASE WHEN c.state IN ('queued', 'skipped', 'suppressed', 'expired', 'cancelled') THEN NULL
            WHEN k.channel = 'sms' THEN 'SM' || md5(c.id::text)
            WHEN k.channel = 'voice' THEN 'CA' || md5(c.id::text)
            ELSE left(md5((c.id / 50)::text), 22) END,
       CASE WHEN c.state = 'skipped' THEN 'insufficient_tokens'
            WHEN c.is_trouble THEN 'code_' || (c.roll * 1000)::integer %% 40 END,
       CASE WHEN c.state IN ('failed', 'dead', 'undelivered', 'parked', 'unknown')
            THEN 'The provider refused request ' || c.id || ': ' || (ARRAY[
                'mailbox does not exist', 'the connection timed out after 30 s', 'HTTP 503 Service Unavailable',
                'the number is not reachable', 'message blocked as spam', 'carrier violation'])[1 + c.id %% 6]
                || ' (reference ' || left(md5(c.id::text), 12) || ')' END,
       k.tokens,
       CASE WHEN c.age > 0.5 THEN NULL WHEN k.channel = 'email' THEN 'person' || c.subscriber_id || '@example.com'
            ELSE '+1305' || lpad((2000000 + c.subscriber_id)::text, 7, '0') END,
       CASE WHEN c.age <= 0.5 AND k.channel <> 'email' THEN 'New lead: foreclosure at ' || c.lead_id || ' SW 8 ST' END,
       CASE WHEN c.state IN ('accepted', 'sent', 'delivered', 'undelivered') THEN c.created_at + interval '40 s' END,
       CASE WHEN c.age > 0.5 THEN now() END,
       c.created_at, c.created_at + interval '1 min', CASE WHEN c.state <> 'queued' THEN c.created_at END
FROM (
    SELECT r.id, r.age, r.roll, r.subscriber_id, r.lead_id, r.created_at,
           r.state NOT IN ('queued', 'accepted', 'sent', 'delivered') AS is_trouble, r.state,
           CASE WHEN r.state = 'queued' AND r.roll > 0.5 THEN interval '2 days' ELSE interval '0' END AS delay,
           CASE WHEN r.pick < 0.80 THEN 'new_lead_alert' WHEN r.pick < 0.88 THEN 'daily_digest'
                WHEN r.pick < 0.90 THEN 'weekly_report' WHEN r.pick < 0.96 THEN 'urgent_lead_sms'
                WHEN r.pick < 0.97 THEN 'campaign_call' WHEN r.pick < 0.98 THEN 'outbound_call'
                WHEN r.pick < 0.99 THEN 'verification_sms' WHEN r.pick < 0.9999 THEN 'payment_receipt'
                ELSE 'low_token_balance' END AS kind
    FROM (
        SELECT n AS id, a.age, random() AS roll, random() AS pick,
               1 + floor(%(subscribers)s * power(random(), 2))::bigint AS subscriber_id,
               1 + floor(%(leads)s * random())::bigint AS lead_id,
               now() - a.age * interval '180 days' AS created_at,
               CASE WHEN a.age < 0.02 AND random() < 0.8 OR a.age < 0.2 AND random() < 0.022 THEN 'queued'
                    WHEN s.dice < 0.90 THEN 'delivered' WHEN s.dice < 0.93 THEN 'sent' WHEN s.dice < 0.95 THEN 'accepted'
                    WHEN s.dice < 0.962 THEN 'failed' WHEN s.dice < 0.970 THEN 'dead' WHEN s.dice < 0.980 THEN 'undelivered'
                    WHEN s.dice < 0.990 THEN 'skipped' WHEN s.dice < 0.993 THEN 'suppressed'
                    WHEN s.dice < 0.996 THEN 'expired' WHEN s.dice < 0.9997 THEN 'cancelled'
                    WHEN s.dice < 0.9999 THEN 'parked' WHEN s.dice < 0.99995 THEN 'unknown' ELSE 'sending' END AS state
        FROM generate_series(1, %(deliveries)s::bigint) AS n,
             LATERAL (SELECT 1 - n / %(deliveries)s::float8 AS age) AS a,
             LATERAL (SELECT random() + 0 * n AS dice) AS s
    ) AS r
) AS c
JOIN delivery_kinds k ON k.kind = c.kind
ORDER BY c.id
