-- Link events that came before their delivery had its provider id. E-mails of one request share an id, so it identifies
-- none of them.
UPDATE delivery_events e
SET delivery_id = d.id
FROM deliveries d
WHERE e.applied_at IS NULL AND e.delivery_id IS NULL AND e.received_at > now() - interval '3 days'
  AND d.provider_id = e.provider_id AND d.channel <> 'email'
