-- Make these calls due now for a check with Twilio.
UPDATE deliveries SET check_at = now()
WHERE id = ANY (%(ids)s) AND state IN ('unknown', 'accepted', 'sent')
RETURNING id
