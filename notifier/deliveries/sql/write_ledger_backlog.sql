-- Write the ledger entries that had to wait because another session had locked the subscriber's row. Entries for
-- subscribers whose row is still locked keep waiting.
WITH free AS MATERIALIZED (
    SELECT id FROM users WHERE id IN (SELECT user_id FROM ledger_backlog) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM ledger_backlog WHERE user_id IN (SELECT id FROM free)
    RETURNING user_id, delivery_id, entry, tokens, hold_number, reason
)
INSERT INTO token_entries (user_id, delivery_id, entry, tokens, hold_number, reason)
SELECT user_id, delivery_id, entry, tokens, hold_number, reason FROM taken ORDER BY user_id
ON CONFLICT DO NOTHING
