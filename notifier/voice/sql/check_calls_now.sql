-- Make the checks of calls due at once.
UPDATE deliveries SET check_at = now()
WHERE id = ANY (%(ids)s) AND state IN ('unknown', 'accepted', 'sent')
RETURNING id
