-- Select the database's time, and the data that is needed to start calls and to check their eligibility.
SELECT now() AS as_of, d.id, u.twilio_phone_number, l.phone_number, l.status AS lead_status,
       coalesce(s.outbound_greeting, s.greeting_message) AS greeting,
       EXISTS (SELECT FROM suppressions x
               WHERE x.channel = 'voice' AND x.address = e164(l.phone_number)) AS is_suppressed,
       EXISTS (SELECT FROM call_consents c
               WHERE c.subscriber_id = d.subscriber_id AND c.phone_number = e164(l.phone_number)
                 AND c.granted_at <= now() AND (c.revoked_at IS NULL OR c.revoked_at > now())) AS has_consent
FROM deliveries d
JOIN users u ON u.id = d.subscriber_id
JOIN leads l ON l.id = d.lead_id
LEFT JOIN ai_scripts s ON s.id = (d.params ->> 'script_id')::bigint AND s.is_active
                      AND (s.subscriber_id = d.subscriber_id OR s.subscriber_id IS NULL)
WHERE d.id = ANY (%(ids)s)
ORDER BY d.priority DESC, d.id
