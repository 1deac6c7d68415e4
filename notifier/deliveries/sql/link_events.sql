-- Events that came before their delivery knew the provider's id. E-mails of one request share theirs, so it names none.
UPDATE delivery_events e
SET delivery_id = d.id
FROM deliveries d
WHERE e.applied_at IS NULL AND e.delivery_id IS NULL AND e.received_at > now() - interval '3 days'
  AND d.provider_id = e.provider_id AND d.channel <> 'email'
