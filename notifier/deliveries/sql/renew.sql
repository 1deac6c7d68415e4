-- Renew the claim on deliveries that are still claimed. A delivery whose row another session has locked counts as no
-- longer claimed.
UPDATE deliveries SET claimed_at = now()
WHERE id IN (SELECT id FROM deliveries WHERE id = ANY (%(ids)s) AND claim = %(claim)s AND state = 'sending'
             FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
