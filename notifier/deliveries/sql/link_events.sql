-- Use the provider's id to link events to deliveries, if the events arrived before the delivery stored this id. E-mails
-- are left out, because all e-mails in a request share one id.
UPDATE delivery_events e
SET delivery_id = d.id
FROM deliveries d
WHERE e.applied_at IS NULL AND e.delivery_id IS NULL AND e.received_at > now() - interval '3 days'
  AND d.provider_id = e.provider_id AND d.channel <> 'email'
