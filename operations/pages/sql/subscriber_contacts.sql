-- Return a subscriber's suppressions and call consents. A revoked consent stays listed.
SELECT 'suppression' AS what, s.channel AS detail, s.address, s.reason AS source, s.created_at AS since,
       NULL::timestamptz AS until
FROM suppressions s JOIN users u ON u.id = %(id)s
WHERE s.channel = 'email' AND s.address = lower(u.email)
   OR s.channel IN ('sms', 'voice') AND s.address = e164(u.phone_number)
UNION ALL
(SELECT 'consent', 'call', c.phone_number, c.source, c.granted_at, c.revoked_at
 FROM call_consents c WHERE c.subscriber_id = %(id)s
 ORDER BY c.granted_at DESC LIMIT 100)
ORDER BY what DESC, since DESC
