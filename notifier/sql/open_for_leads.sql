SELECT o.delivery_id, o.state, o.opened
FROM unnest(%(subscribers)s::bigint[], %(leads)s::bigint[]) WITH ORDINALITY AS r (subscriber_id, lead_id, position)
JOIN open_deliveries((
    SELECT array_agg(ROW (%(kind)s, r.subscriber_id, r.lead_id,
                          'lead:' || r.lead_id || ':user:' || r.subscriber_id || ':' || %(kind)s,
                          l.lead_score, now() + %(delay)s, NULL, NULL)::delivery_request ORDER BY r.position)
    FROM unnest(%(subscribers)s::bigint[], %(leads)s::bigint[]) WITH ORDINALITY AS r (subscriber_id, lead_id, position)
    LEFT JOIN leads l ON l.id = r.lead_id
)) o ON o.dedupe_key = 'lead:' || r.lead_id || ':user:' || r.subscriber_id || ':' || %(kind)s
ORDER BY r.position
