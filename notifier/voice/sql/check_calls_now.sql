-- Make the checks of these calls due now.
UPDATE deliveries SET check_at = now()
WHERE id = ANY (%(ids)s) AND state IN ('unknown', 'accepted', 'sent')
RETURNING id
