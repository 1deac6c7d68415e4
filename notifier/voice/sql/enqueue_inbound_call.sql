-- Enqueue the delivery of an inbound call, with its token hold. A repeated call SID returns the same delivery.
SELECT delivery_id
FROM open_deliveries(ARRAY[ROW (
    'inbound_call', %(subscriber)s, NULL, 'inbound:' || %(sid)s, 0, NULL,
    jsonb_build_object('call_sid', %(sid)s::text, 'script_id', %(script)s::bigint), %(tokens)s
)::delivery_request])
