-- Find a call that may still be in progress, with its script. Returns no row if the SID belongs to another delivery.
SELECT d.id, d.kind, now() - coalesce(d.accepted_at, d.claimed_at, d.created_at) AS duration,
       s.name, s.greeting_message, s.outbound_greeting, s.voicemail_message
FROM deliveries d
JOIN ai_scripts s ON s.id = (d.params ->> 'script_id')::bigint
WHERE d.channel = 'voice'
  AND (d.id = %(delivery)s::bigint OR %(delivery)s::bigint IS NULL AND d.provider_id = %(sid)s)
  AND NOT EXISTS (SELECT FROM deliveries o
                  WHERE o.provider_id = %(sid)s AND o.id <> d.id AND o.channel <> 'email')
  AND d.state NOT IN ('queued', 'skipped', 'suppressed', 'expired', 'cancelled')
