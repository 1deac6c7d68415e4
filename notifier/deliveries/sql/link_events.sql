-- Use the provider's id to link events to deliveries. A delivery that stores its id later finds its events by a trigger
-- (link_early_events), so only events that arrived within the given time are looked up here. E-mails are left out,
-- because all e-mails in a request share one id.
UPDATE delivery_events e
SET delivery_id = d.id
FROM deliveries d
WHERE e.applied_at IS NULL AND e.delivery_id IS NULL AND e.provider <> 'sendgrid'
  AND e.received_at > now() - %(within)s::interval
  AND d.provider_id = e.provider_id AND d.channel <> 'email'
