-- Suppress SMS and calls to a number, in Twilio's spelling and in the subscriber's spelling.
WITH recorded AS (
    INSERT INTO delivery_events (provider, event, event_key, provider_id, applied_at)
    VALUES ('twilio', 'stop', %(sid)s || ':stop', %(sid)s, now())
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING id
), addresses AS (
    SELECT %(number)s AS address
    UNION SELECT u.phone_number FROM users u WHERE phone_key(u.phone_number) = phone_key(%(number)s)
)
INSERT INTO suppressions (channel, address, reason)
SELECT channel, address, 'stop' FROM recorded, addresses, unnest('{sms,voice}'::text[]) AS channel
ON CONFLICT (channel, address) DO NOTHING
RETURNING id
