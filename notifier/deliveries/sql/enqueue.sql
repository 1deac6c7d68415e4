-- Enqueue the requested deliveries, and return the new or existing delivery for each request. The statement fills in
-- the dedupe keys and priorities that depend on stored rows.
WITH requested AS MATERIALIZED (
    SELECT r.position, r.kind, r.subscriber_id, r.lead_id, r.params::jsonb AS params, r.tokens,
           coalesce(r.priority, l.lead_score, 0) AS priority,
           coalesce(r.not_before, now()) + r.delay AS not_before,
           delivery_key(r.key, r.subscriber_id) AS key
    FROM unnest(%(kinds)s::text[], %(subscribers)s::bigint[], %(leads)s::bigint[], %(keys)s::text[],
                %(params)s::text[], %(priorities)s::integer[], %(tokens)s::integer[], %(moments)s::timestamptz[],
                %(delays)s::interval[])
         WITH ORDINALITY
         AS r (kind, subscriber_id, lead_id, key, params, priority, tokens, not_before, delay, position)
    CROSS JOIN set_config('lock_timeout', coalesce(%(timeout)s, current_setting('lock_timeout')), true)
    LEFT JOIN leads l ON l.id = r.lead_id
)
SELECT o.delivery_id, o.state, o.opened
FROM requested q
JOIN open_deliveries((
    SELECT array_agg(ROW (kind, subscriber_id, lead_id, key, priority, not_before, params, tokens)::delivery_request
                     ORDER BY position)
    FROM requested
)) o ON o.dedupe_key = q.key
ORDER BY q.position
