-- Record that a person answered the call, and mark the lead as contacted. A repeated report changes nothing. A report
-- whose SID belongs to another delivery also changes nothing.
WITH recorded AS (
    INSERT INTO delivery_events (delivery_id, provider, event, event_key, provider_id, applied_at)
    SELECT d.id, 'twilio', 'human', %(sid)s || ':human', %(sid)s, now()
    FROM deliveries d
    WHERE d.channel = 'voice' AND d.lead_id IS NOT NULL
      AND (d.id = %(delivery)s::bigint OR %(delivery)s::bigint IS NULL AND d.provider_id = %(sid)s)
      AND NOT EXISTS (SELECT FROM deliveries o
                      WHERE o.provider_id = %(sid)s AND o.id <> d.id AND o.channel <> 'email')
    ON CONFLICT (provider, event_key) DO NOTHING
    RETURNING delivery_id
)
UPDATE leads l
SET engagement_count = coalesce(l.engagement_count, 0) + 1,
    status = CASE l.status WHEN 'new' THEN 'contacted' ELSE l.status END
FROM deliveries d JOIN recorded ON recorded.delivery_id = d.id
WHERE l.id = d.lead_id
RETURNING l.id
