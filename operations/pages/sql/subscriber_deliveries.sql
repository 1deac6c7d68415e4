-- Return a subscriber's latest deliveries.
SELECT d.id, d.kind, d.channel, d.state, d.error_code AS code, d.tokens, d.lead_id, d.created_at, d.updated_at
FROM deliveries d WHERE d.subscriber_id = %(id)s
ORDER BY d.created_at DESC LIMIT %(limit)s
