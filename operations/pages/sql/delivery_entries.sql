-- Return a delivery's latest entries in the ledger. Each part has its own index.
SELECT entry, tokens, reason, created_at
FROM (
    SELECT * FROM token_entries WHERE delivery_id = %(id)s AND entry = 'hold'
    UNION ALL
    SELECT * FROM token_entries WHERE delivery_id = %(id)s AND entry IN ('settle', 'release')
    UNION ALL
    SELECT * FROM token_entries WHERE delivery_id = %(id)s AND entry = 'refund'
) AS e
ORDER BY id DESC LIMIT %(limit)s
