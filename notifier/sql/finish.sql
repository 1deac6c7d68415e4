-- Ends a claim. Only its holder may; whoever lost it (a sweeper took it for dead) changes nothing.
UPDATE deliveries d
SET state = %(state)s, provider_id = coalesce(%(provider_id)s, d.provider_id),
    error_code = %(code)s, error_message = %(message)s,
    recipient = coalesce(r.recipient, d.recipient), sender = coalesce(r.sender, d.sender),
    body = coalesce(r.body, d.body),
    accepted_at = CASE WHEN %(state)s = 'accepted' THEN now() ELSE d.accepted_at END,
    claim = NULL, updated_at = now()
FROM unnest(%(ids)s::bigint[], %(recipients)s::text[], %(senders)s::text[], %(bodies)s::text[])
     AS r (id, recipient, sender, body)
WHERE d.id = r.id AND d.claim = %(claim)s AND d.state = 'sending'
RETURNING d.id
