-- Applies stored events. The verdict is taken over everything that was ever said of a delivery, so neither order nor
-- repetition matters; a delivery that somebody is finishing right now waits for the next look, and nobody waits here.
WITH locked AS MATERIALIZED (
    SELECT d.id, d.state, d.channel, d.recipient, d.subscriber_id
    FROM deliveries d
    WHERE d.id IN (SELECT delivery_id FROM delivery_events
                   WHERE applied_at IS NULL AND delivery_id IS NOT NULL ORDER BY id LIMIT %(limit)s)
    ORDER BY d.id
    FOR NO KEY UPDATE SKIP LOCKED
), fresh AS (
    UPDATE delivery_events e SET applied_at = now()
    FROM locked WHERE e.delivery_id = locked.id AND e.applied_at IS NULL
    RETURNING e.delivery_id, e.provider, e.event
), verdict AS (
    SELECT DISTINCT ON (e.delivery_id) e.delivery_id, m.state, e.provider_id, e.details ->> 'code' AS code,
           (e.details ->> 'seconds')::integer AS seconds
    FROM delivery_events e
    JOIN event_meanings m ON m.provider = e.provider AND m.event = e.event AND m.state IS NOT NULL
    WHERE e.delivery_id IN (SELECT delivery_id FROM fresh)
    ORDER BY e.delivery_id, m.rank DESC, coalesce(e.occurred_at, e.received_at) DESC, m.state
), silenced AS (
    INSERT INTO suppressions (channel, address, reason)
    SELECT DISTINCT ON (l.channel, who.address) l.channel, who.address, f.event
    FROM fresh f
    JOIN event_meanings m ON m.provider = f.provider AND m.event = f.event AND m.suppresses
    JOIN locked l ON l.id = f.delivery_id
    JOIN users u ON u.id = l.subscriber_id
    CROSS JOIN LATERAL (
        SELECT CASE l.channel WHEN 'email' THEN lower(coalesce(l.recipient, u.email))
                              ELSE coalesce(l.recipient, u.phone_number) END AS address
    ) who
    WHERE who.address IS NOT NULL
    -- An address that is useless says more than a reader who wants less.
    ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason
        WHERE suppressions.reason LIKE '%%unsubscribe%%' AND excluded.reason NOT LIKE '%%unsubscribe%%'
)
UPDATE deliveries d
SET state = v.state, provider_id = coalesce(d.provider_id, v.provider_id), accepted_at = coalesce(d.accepted_at, now()),
    error_code = CASE v.state WHEN 'undelivered' THEN coalesce(v.code, 'undelivered') END, error_message = NULL,
    updated_at = now()
FROM verdict v
JOIN locked l ON l.id = v.delivery_id
WHERE d.id = v.delivery_id
  AND (l.state, v.state) IN (SELECT * FROM unnest(%(sources)s::text[], %(targets)s::text[]))
RETURNING d.id, d.channel, d.kind, l.state AS was, d.state, v.seconds, d.error_code
