-- requires: local_day, phone_numbers
--
-- The recipients of deliveries. The code that composes messages reads this view.

CREATE OR REPLACE FUNCTION plain_preferences(preferences jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(jsonb_object_agg(p.key, CASE WHEN lower(btrim(p.value #>> '{}')) IN ('true', 'false')
                                                 THEN lower(btrim(p.value #>> '{}'))::jsonb ELSE p.value END), '{}')
    FROM jsonb_each(CASE jsonb_typeof(preferences) WHEN 'object' THEN preferences ELSE '{}' END) AS p
);
COMMENT ON FUNCTION plain_preferences IS
    'Returns email_preferences with the strings "true" and "false" converted to booleans. '
    'A value that is not an object becomes {}.';

CREATE OR REPLACE VIEW delivery_recipients AS
SELECT d.id, d.kind, d.subscriber_id, d.lead_id, d.params, d.priority, d.due_at, d.attempts,
       u.first_name, u.email, u.phone_number, u.token_balance,
       plain_preferences(u.email_preferences) AS preferences,
       u.subscription_type, u.trial_ends_at,
       EXISTS (SELECT FROM suppressions s
               WHERE s.channel = d.channel
                 AND s.address = CASE d.channel WHEN 'email' THEN lower(u.email) ELSE e164(u.phone_number) END
                 AND (k.is_optional OR d.channel <> 'email' OR coalesce(s.reason, '') NOT LIKE '%unsubscribe%'))
           AS is_suppressed,
       CASE WHEN u.email_preferences ? 'max_daily_emails' THEN (
           SELECT count(*) FROM deliveries o
           WHERE o.subscriber_id = d.subscriber_id
             AND o.kind IN ('new_lead_alert', 'daily_digest', 'weekly_report')
             -- Also count e-mails that are being sent now and were claimed before this batch.
             AND (new_york_day(o.accepted_at) = new_york_day(now())
                  OR o.state IN ('sending', 'unknown') AND o.claimed_at < d.claimed_at)
       ) END AS mailed_today
FROM deliveries d
JOIN delivery_kinds k ON k.kind = d.kind
JOIN users u ON u.id = d.subscriber_id;
COMMENT ON VIEW delivery_recipients IS
    'Each delivery with its subscriber''s current address, preferences and suppression, and the number of e-mails sent to the subscriber today.';
