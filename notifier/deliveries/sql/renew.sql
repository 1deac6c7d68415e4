-- Renew the claim of deliveries that are still claimed. A row that another session has locked counts as taken.
UPDATE deliveries SET claimed_at = now()
WHERE id IN (SELECT id FROM deliveries WHERE id = ANY (%(ids)s) AND claim = %(claim)s AND state = 'sending'
             FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
