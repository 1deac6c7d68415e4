-- Store each event once. An event is stored without its delivery if the delivery does not exist, if the event's SID
-- belongs to another delivery, or if the retention job has removed the delivery's personal data. If an event names no
-- delivery, link_events links the event by the provider's id as soon as the delivery has stored this id.
INSERT INTO delivery_events (delivery_id, provider, event, event_key, provider_id, occurred_at, details)
SELECT d.id, %(provider)s, e.event, e.key, e.provider_id, e.occurred_at, e.details::jsonb
FROM unnest(%(deliveries)s::bigint[], %(events)s::text[], %(keys)s::text[], %(provider_ids)s::text[],
            %(moments)s::timestamptz[], %(details)s::text[])
     AS e (delivery_id, event, key, provider_id, occurred_at, details)
LEFT JOIN deliveries d
       ON d.id = e.delivery_id
      AND d.emptied_at IS NULL
      AND NOT EXISTS (SELECT FROM deliveries o
                      WHERE o.provider_id = e.provider_id AND o.id <> d.id AND o.channel <> 'email')
ON CONFLICT DO NOTHING
RETURNING id
