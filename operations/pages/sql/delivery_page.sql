-- Return the deliveries whose ids another statement finds, the newest first.
WITH found AS MATERIALIZED ({ids})
SELECT d.id, d.kind, d.channel, k.queue_name AS queue, d.state, d.error_code AS code, d.subscriber_id,
       u.email AS subscriber_email, d.lead_id, p.folio_number AS folio, d.attempts, d.not_before, d.due_at, d.created_at,
       d.updated_at, d.recipient, d.provider_id
FROM found
JOIN deliveries d ON d.id = found.id
JOIN delivery_kinds k ON k.kind = d.kind
LEFT JOIN users u ON u.id = d.subscriber_id
LEFT JOIN leads l ON l.id = d.lead_id
LEFT JOIN properties p ON p.id = l.property_id
ORDER BY d.id DESC
