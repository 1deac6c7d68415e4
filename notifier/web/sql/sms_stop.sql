-- Suppress SMS messages and calls to a number. A STOP with a known key is a repetition and changes nothing. Rows with
-- the key of an inbound SMS are never removed.
WITH recorded AS (
    INSERT INTO delivery_events (provider, event, event_key, applied_at)
    SELECT 'twilio', 'stop', key, now() FROM unnest(%(keys)s::text[]) AS key ORDER BY key
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING id
), unknown AS (
    SELECT FROM recorded HAVING count(*) = cardinality(%(keys)s::text[])
)
INSERT INTO suppressions (channel, address, reason)
SELECT channel, %(number)s, 'stop' FROM unknown, unnest('{sms,voice}'::text[]) AS channel
ON CONFLICT (channel, address) DO NOTHING
RETURNING id
