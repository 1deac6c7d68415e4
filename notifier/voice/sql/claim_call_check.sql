-- Claim a call whose check with Twilio is due. For the next five minutes, only this process asks Twilio about the call.
UPDATE deliveries d
SET check_at = now() + make_interval(secs => %(scale)s * 300)
FROM (
    SELECT id FROM deliveries
    WHERE channel = 'voice' AND state IN ('unknown', 'accepted', 'sent') AND check_at <= now()
    ORDER BY check_at LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS due
WHERE d.id = due.id
RETURNING d.id, d.provider_id, d.claimed_at,
          coalesce(d.accepted_at < now() - make_interval(hours => 72) * %(scale)s, false) AS is_overdue,
          coalesce(d.recipient, (SELECT l.phone_number FROM leads l WHERE l.id = d.lead_id)) AS recipient,
          coalesce(d.sender, (SELECT u.twilio_phone_number FROM users u WHERE u.id = d.subscriber_id)) AS sender
