-- Write four events for each delivery.
INSERT INTO delivery_events (id, delivery_id, provider, event, event_key, provider_id, occurred_at, received_at, applied_at)
SELECT 4 * d - 4 + n, d, 'sendgrid', (ARRAY['processed', 'delivered', 'open', 'click'])[n], d || ':' || n, d || ':' || n,
       m.moment, m.moment, m.moment
FROM generate_series(1, %(deliveries)s::bigint) AS d CROSS JOIN generate_series(1, 4) AS n,
     LATERAL (SELECT now() - (1 - d / %(deliveries)s::float8) * interval '180 days' + n * interval '1 min' AS moment) AS m
