-- Return a row if an inbound SMS may get an answer: it is the first SMS from this number with this keyword within an
-- hour, or a repetition of that SMS.
INSERT INTO delivery_events AS e (provider, event, event_key, provider_id, applied_at)
VALUES ('notifier', 'sms_answer', 'sms_answer:' || %(mark)s, %(sid)s, now())
ON CONFLICT (provider, event_key) DO UPDATE SET received_at = now(), provider_id = excluded.provider_id
    WHERE e.received_at <= now() - interval '1 hour' OR e.provider_id = excluded.provider_id
RETURNING e.id
