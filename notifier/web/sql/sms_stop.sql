-- Suppress SMS and calls to a number.
WITH recorded AS (
    INSERT INTO delivery_events (provider, event, event_key, provider_id, applied_at)
    VALUES ('twilio', 'stop', %(sid)s || ':stop', %(sid)s, now())
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING id
)
INSERT INTO suppressions (channel, address, reason)
SELECT channel, %(number)s, 'stop' FROM recorded, unnest('{sms,voice}'::text[]) AS channel
ON CONFLICT (channel, address) DO NOTHING
RETURNING id
