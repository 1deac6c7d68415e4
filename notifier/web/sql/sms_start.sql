-- Lifts what a STOP did, here (stop) or at Twilio (21610); what was asked for in another way stays.
WITH heard AS (
    INSERT INTO delivery_events (provider, event, event_key, provider_id, applied_at)
    VALUES ('twilio', 'start', %(sid)s || ':start', %(sid)s, now())
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING id
)
DELETE FROM suppressions s
USING heard
WHERE s.channel IN ('sms', 'voice') AND phone_key(s.address) = phone_key(%(number)s)
  AND s.reason IN ('stop', 'provider code 21610')
RETURNING s.id
