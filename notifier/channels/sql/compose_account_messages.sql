-- Select the content of account e-mails and account SMS messages. tokens_used is the number of settled tokens minus the
-- number of refunded tokens.
SELECT r.*,
       CASE WHEN r.kind = 'expiring_trial' THEN (
           SELECT coalesce(sum(CASE e.entry WHEN 'settle' THEN e.tokens ELSE -e.tokens END), 0)
           FROM token_entries e
           WHERE e.user_id = r.subscriber_id AND e.entry IN ('settle', 'refund')
       ) END AS tokens_used
FROM delivery_recipients r
WHERE r.id = ANY (%(ids)s)
ORDER BY r.priority DESC, r.id
