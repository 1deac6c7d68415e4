-- Return the metrics of the token ledger. The query reads the whole ledger, so the web service runs it at most every
-- five minutes.
SELECT 'notifier_ledger_drift' AS metric, '{}'::text[] AS labels, count(*)::float8 AS value
FROM token_balances WHERE token_balance <> by_entries
UNION ALL
SELECT 'notifier_open_holds', '{}', count(*)
FROM token_entries h
WHERE h.entry = 'hold'
  AND NOT EXISTS (SELECT FROM token_entries e
                  WHERE e.delivery_id = h.delivery_id AND e.hold_number = h.hold_number
                    AND e.entry IN ('settle', 'release'))
  AND NOT EXISTS (SELECT FROM token_entries e
                  WHERE e.lookup_id = h.lookup_id AND e.entry IN ('settle', 'release'))
