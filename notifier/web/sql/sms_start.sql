-- Delete suppressions that a STOP caused, whether the recorded reason is our code (stop) or Twilio's code (21610).
-- Suppressions for other reasons stay. A START with a known key is a repetition and changes nothing. Rows with the key
-- of an inbound SMS are never removed.
WITH recorded AS (
    INSERT INTO delivery_events (provider, event, event_key, applied_at)
    SELECT 'twilio', 'start', key, now() FROM unnest(%(keys)s::text[]) AS key ORDER BY key
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING id
), unknown AS (
    SELECT FROM recorded HAVING count(*) = cardinality(%(keys)s::text[])
)
DELETE FROM suppressions s
USING unknown
WHERE s.channel IN ('sms', 'voice') AND s.address = %(number)s
  AND s.reason IN ('stop', 'provider code 21610')
RETURNING s.id
