-- Return every contradiction in the ledger, with the kind and id of the row that it concerns. A single statement reads
-- the whole ledger, so all rows are from the same moment.
SELECT 'the balance is ' || token_balance || ', but the entries add up to ' || by_entries AS problem,
       'user' AS subject, user_id AS subject_id
FROM token_balances WHERE token_balance <> by_entries
UNION ALL
SELECT 'the delivery is ' || d.state || ' and still holds ' || h.tokens || ' tokens', 'delivery', d.id
FROM deliveries d
JOIN token_entries h ON h.delivery_id = d.id AND h.entry = 'hold'
WHERE (d.state IN ('failed', 'dead', 'parked', 'skipped', 'suppressed', 'expired', 'cancelled')
       OR d.channel <> 'voice' AND d.state IN ('accepted', 'sent', 'delivered', 'undelivered'))
  AND NOT EXISTS (SELECT FROM token_entries e WHERE e.delivery_id = h.delivery_id AND e.hold_number = h.hold_number
                                                AND e.entry IN ('settle', 'release'))
  AND NOT EXISTS (SELECT FROM ledger_backlog b WHERE b.delivery_id = h.delivery_id AND b.hold_number = h.hold_number)
UNION ALL
SELECT 'the delivery was never accepted, but has a settle entry', 'delivery', d.id
FROM deliveries d JOIN token_entries e ON e.delivery_id = d.id AND e.entry = 'settle'
WHERE d.state IN ('queued', 'sending', 'unknown', 'failed', 'dead', 'skipped', 'suppressed', 'expired', 'cancelled')
  AND d.replays = 0
ORDER BY 2, 3
