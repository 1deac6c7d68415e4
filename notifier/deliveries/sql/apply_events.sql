-- Apply stored events to their deliveries, and suppress addresses. A delivery's new state depends on all of its events
-- together, so the order of the events does not matter, and repeated events change nothing. Deliveries that another
-- transaction has locked wait for the next run.
WITH locked AS MATERIALIZED (
    SELECT d.id, d.state, d.channel, d.recipient, d.subscriber_id
    FROM deliveries d
    WHERE d.id IN (SELECT delivery_id FROM delivery_events
                   WHERE applied_at IS NULL AND delivery_id IS NOT NULL ORDER BY id LIMIT %(limit)s)
    ORDER BY d.id
    FOR NO KEY UPDATE SKIP LOCKED
), applied AS (
    UPDATE delivery_events e SET applied_at = now()
    FROM locked WHERE e.delivery_id = locked.id AND e.applied_at IS NULL
    RETURNING e.delivery_id, e.provider, e.event
), new_state AS (
    SELECT DISTINCT ON (e.delivery_id) e.delivery_id, m.state, e.provider_id, e.details ->> 'code' AS code,
           (e.details ->> 'seconds')::integer AS seconds
    FROM delivery_events e
    JOIN event_meanings m ON m.provider = e.provider AND m.event = e.event AND m.state IS NOT NULL
    WHERE e.delivery_id IN (SELECT delivery_id FROM applied)
    ORDER BY e.delivery_id, m.rank DESC, coalesce(e.occurred_at, e.received_at) DESC, m.state
), suppressed AS (
    INSERT INTO suppressions (channel, address, reason)
    SELECT DISTINCT ON (l.channel, target.address) l.channel, target.address, a.event
    FROM applied a
    JOIN event_meanings m ON m.provider = a.provider AND m.event = a.event AND m.suppresses
    JOIN locked l ON l.id = a.delivery_id
    JOIN users u ON u.id = l.subscriber_id
    CROSS JOIN LATERAL (
        SELECT CASE l.channel WHEN 'email' THEN lower(coalesce(l.recipient, u.email))
                              ELSE coalesce(l.recipient, u.phone_number) END AS address
    ) target
    WHERE target.address IS NOT NULL
    -- A bounce or complaint replaces an unsubscribe, because a bounce or complaint stops all e-mail. An unsubscribe
    -- stops only optional kinds.
    ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason
        WHERE suppressions.reason LIKE '%%unsubscribe%%' AND excluded.reason NOT LIKE '%%unsubscribe%%'
)
UPDATE deliveries d
SET state = n.state, provider_id = coalesce(d.provider_id, n.provider_id), accepted_at = coalesce(d.accepted_at, now()),
    error_code = CASE n.state WHEN 'undelivered' THEN coalesce(n.code, 'undelivered') END, error_message = NULL,
    updated_at = now()
FROM new_state n
JOIN locked l ON l.id = n.delivery_id
WHERE d.id = n.delivery_id
  AND (l.state, n.state) IN (SELECT * FROM unnest(%(sources)s::text[], %(targets)s::text[]))
RETURNING d.id AS delivery_id, d.channel, d.kind, l.state AS previous_state, d.state, n.seconds, d.error_code
