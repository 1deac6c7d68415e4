-- Finish a claim. Only the claim's holder may finish the claim, even after the leader has marked the delivery as
-- unknown. If the provider has already reported a state, the delivery keeps that state. The recipient, sender and body
-- are always stored.
UPDATE deliveries d
SET state = CASE WHEN d.state IN ('sending', 'unknown') OR d.state = 'parked' AND %(state)s = 'accepted'
                 THEN %(state)s ELSE d.state END,
    provider_id = coalesce(%(provider_id)s, d.provider_id),
    error_code = CASE WHEN d.state = 'undelivered' THEN d.error_code ELSE %(code)s END, error_message = %(message)s,
    recipient = coalesce(r.recipient, d.recipient), sender = coalesce(r.sender, d.sender),
    body = coalesce(r.body, d.body),
    accepted_at = CASE WHEN %(state)s = 'accepted' THEN coalesce(d.accepted_at, now()) ELSE d.accepted_at END,
    claim = CASE WHEN %(state)s = 'unknown' THEN d.claim END, updated_at = now()
FROM unnest(%(ids)s::bigint[], %(recipients)s::text[], %(senders)s::text[], %(bodies)s::text[])
     AS r (id, recipient, sender, body)
-- The planner expects hardly any row with a claim and a state that it has not seen, and would then compare each row with
-- each row. It makes no such guess about CASE.
WHERE d.id = r.id
  AND CASE WHEN d.claim = %(claim)s
           THEN d.state IN ('sending', 'unknown')
                OR %(state)s = 'accepted' AND d.state IN ('parked', 'accepted', 'sent', 'delivered', 'undelivered')
           ELSE false END
RETURNING d.id, d.state
