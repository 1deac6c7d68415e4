-- Set the next check with Twilio to now for these calls.
UPDATE deliveries SET check_at = now()
WHERE id = ANY (%(ids)s) AND state IN ('unknown', 'accepted', 'sent')
RETURNING id
