-- Select the content of e-mails about calls that could not be made.
SELECT r.*, c.created_at AS called_at, c.error_code AS call_error, c.tokens AS call_tokens, p.address, p.unit, p.city
FROM delivery_recipients r
LEFT JOIN deliveries c ON c.id = (r.params ->> 'delivery_id')::bigint AND c.subscriber_id = r.subscriber_id
LEFT JOIN leads l ON l.id = c.lead_id
LEFT JOIN properties p ON p.id = l.property_id
WHERE r.id = ANY (%(ids)s)
ORDER BY r.priority DESC, r.id
