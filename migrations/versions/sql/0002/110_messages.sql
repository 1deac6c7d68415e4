-- What may be said to whom, for whoever composes.

CREATE OR REPLACE FUNCTION plain_preferences(preferences jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(jsonb_object_agg(p.key, CASE WHEN lower(btrim(p.value #>> '{}')) IN ('true', 'false')
                                                 THEN lower(btrim(p.value #>> '{}'))::jsonb ELSE p.value END), '{}')
    FROM jsonb_each(CASE jsonb_typeof(preferences) WHEN 'object' THEN preferences ELSE '{}' END) AS p
);
COMMENT ON FUNCTION plain_preferences IS
    'email_preferences as both sides read them: yes and no given as text count; what is no object is empty.';

CREATE OR REPLACE VIEW delivery_recipients AS
SELECT d.id, d.kind, d.subscriber_id, d.lead_id, d.params, d.priority, d.due_at, d.attempts,
       u.first_name, u.email, u.phone_number, u.token_balance,
       plain_preferences(u.email_preferences) AS preferences,
       u.subscription_type, u.trial_ends_at,
       EXISTS (SELECT FROM suppressions s
               WHERE s.channel = d.channel
                 AND s.address = CASE d.channel WHEN 'email' THEN lower(u.email) ELSE u.phone_number END
                 AND (k.is_optional OR d.channel <> 'email' OR coalesce(s.reason, '') NOT LIKE '%unsubscribe%'))
           AS is_suppressed,
       CASE WHEN u.email_preferences ? 'max_daily_emails' THEN (
           SELECT count(*) FROM deliveries o
           WHERE o.subscriber_id = d.subscriber_id
             AND o.kind IN ('new_lead_alert', 'daily_digest', 'weekly_report')
             -- Another batch that is leaving right now counts too, if it was claimed before this one.
             AND (new_york_day(o.accepted_at) = new_york_day(now())
                  OR o.state IN ('sending', 'unknown') AND o.claimed_at < d.claimed_at)
       ) END AS mailed_today
FROM deliveries d
JOIN delivery_kinds k ON k.kind = d.kind
JOIN users u ON u.id = d.subscriber_id;
COMMENT ON VIEW delivery_recipients IS
    'A delivery with its subscriber as they are now: address, preferences, suppression, and e-mails of today.';
