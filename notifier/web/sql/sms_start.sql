-- Delete suppressions that STOP caused: our own (stop) and Twilio's (21610). Suppressions for other reasons stay.
WITH recorded AS (
    INSERT INTO delivery_events (provider, event, event_key, provider_id, applied_at)
    VALUES ('twilio', 'start', %(sid)s || ':start', %(sid)s, now())
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING id
)
DELETE FROM suppressions s
USING recorded
WHERE s.channel IN ('sms', 'voice') AND s.address = %(number)s
  AND s.reason IN ('stop', 'provider code 21610')
RETURNING s.id
