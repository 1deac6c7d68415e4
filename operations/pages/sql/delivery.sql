-- Return one delivery with its queue, its subscriber, its lead, the lead's property, and one sentence that says why the
-- delivery is where it is. A verification code, even an encrypted one, is left out.
SELECT d.id, d.channel, d.kind, k.queue_name AS queue, d.state, d.attempts, d.priority, d.tokens, d.dedupe_key,
       d.provider_id, d.error_code AS code, d.error_message AS error, d.params - 'secret' AS params,
       d.recipient, d.sender, d.body, d.claimed_at, d.accepted_at, d.check_at, d.resends, d.replays, d.emptied_at,
       d.created_at, d.updated_at, d.due_at, d.not_before,
       d.subscriber_id, u.email, u.phone_number, d.lead_id, l.lead_type, l.source_reference, l.phone_number AS lead_phone,
       p.folio_number AS folio, p.address, p.unit, explain_delivery(d.id) AS why
FROM deliveries d
JOIN delivery_kinds k ON k.kind = d.kind
LEFT JOIN users u ON u.id = d.subscriber_id
LEFT JOIN leads l ON l.id = d.lead_id
LEFT JOIN properties p ON p.id = l.property_id
WHERE d.id = %(id)s
