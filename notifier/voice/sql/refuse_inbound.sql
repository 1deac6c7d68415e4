-- Finish an inbound call that is not answered, and store the reason. The call holds no tokens.
UPDATE deliveries
SET state = CASE %(reason)s WHEN 'suppressed' THEN 'suppressed' ELSE 'skipped' END, error_code = %(reason)s,
    sender = %(caller)s, recipient = %(called)s, updated_at = now()
WHERE dedupe_key = 'inbound:' || %(sid)s AND state = 'queued'
RETURNING id
