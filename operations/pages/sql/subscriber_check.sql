-- Compare a subscriber's balance with the ledger: the sum of the entries, and the holds that no settle or release has
-- ended although their delivery has.
SELECT b.token_balance AS balance, b.by_entries,
       (SELECT count(*) FROM ledger_backlog l WHERE l.user_id = b.user_id) AS waiting,
       (SELECT coalesce(sum(h.tokens), 0) FROM token_entries h
        WHERE h.user_id = b.user_id AND h.entry = 'hold' AND NOT EXISTS (
            SELECT FROM token_entries e WHERE e.entry IN ('settle', 'release') AND e.user_id = b.user_id
               AND (e.delivery_id, e.hold_number) IS NOT DISTINCT FROM (h.delivery_id, h.hold_number)
               AND e.lookup_id IS NOT DISTINCT FROM h.lookup_id)) AS held,
       ARRAY(SELECT h.delivery_id FROM token_entries h JOIN deliveries d ON d.id = h.delivery_id
             WHERE h.user_id = b.user_id AND h.entry = 'hold'
               AND (d.state IN ('failed', 'dead', 'parked', 'skipped', 'suppressed', 'expired', 'cancelled')
                    OR d.channel <> 'voice' AND d.state IN ('accepted', 'sent', 'delivered', 'undelivered'))
               AND NOT EXISTS (SELECT FROM token_entries e
                               WHERE e.delivery_id = h.delivery_id AND e.hold_number = h.hold_number
                                 AND e.entry IN ('settle', 'release'))
               AND NOT EXISTS (SELECT FROM ledger_backlog l
                               WHERE l.delivery_id = h.delivery_id AND l.hold_number = h.hold_number)
             ORDER BY 1 LIMIT 20) AS forgotten_holds
FROM token_balances b WHERE b.user_id = %(id)s
