-- Hold the tokens that a lookup costs. Returns no row if the balance is too low.
WITH payer AS (
    SELECT id FROM users WHERE id = %(subscriber)s AND token_balance >= %(tokens)s FOR NO KEY UPDATE
)
INSERT INTO token_entries (user_id, lookup_id, entry, tokens)
SELECT id, %(id)s, 'hold', %(tokens)s FROM payer
RETURNING id
