-- Return a subscriber's ledger entries before an id, newest first, each with its effect on the balance and with the
-- balance after it. The balance after an entry is today's balance without the effects of all newer entries.
WITH effects AS (
    SELECT e.id, e.entry, e.tokens, e.reason, e.delivery_id, e.lookup_id, e.created_at, d.kind,
           CASE e.entry
               WHEN 'hold' THEN -e.tokens
               WHEN 'settle' THEN coalesce(h.tokens, e.tokens) - e.tokens
               ELSE e.tokens
           END AS effect
    FROM token_entries e
    LEFT JOIN deliveries d ON d.id = e.delivery_id
    LEFT JOIN token_entries h ON e.entry = 'settle' AND h.entry = 'hold'
          AND h.delivery_id = e.delivery_id AND h.hold_number = e.hold_number
    WHERE e.user_id = %(id)s AND (%(before)s::bigint IS NULL OR e.id < %(before)s)
    ORDER BY e.id DESC LIMIT %(limit)s
), newer AS (
    SELECT coalesce(sum(CASE e.entry
               WHEN 'hold' THEN -e.tokens
               WHEN 'settle' THEN coalesce(h.tokens, e.tokens) - e.tokens
               ELSE e.tokens END), 0) AS effect
    FROM token_entries e
    LEFT JOIN token_entries h ON e.entry = 'settle' AND h.entry = 'hold'
          AND h.delivery_id = e.delivery_id AND h.hold_number = e.hold_number
    WHERE e.user_id = %(id)s AND e.id >= %(before)s::bigint
)
SELECT f.*, (u.token_balance - (SELECT effect FROM newer)
             - coalesce(sum(f.effect) OVER (ORDER BY f.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))::bigint
            AS balance
FROM effects f JOIN users u ON u.id = %(id)s
ORDER BY f.id DESC
